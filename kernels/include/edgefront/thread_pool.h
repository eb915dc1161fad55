// A fixed set of workers for short parallel regions. The caller is worker 0; the others spin briefly between
// regions and then sleep. Inside a region, Barrier() joins all workers. Nothing allocates after Create.
#ifndef EDGEFRONT_THREAD_POOL_H_
#define EDGEFRONT_THREAD_POOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "include/edgefront/status.h"

namespace edgefront {

// A pool of `size()` workers. Only one thread at a time may call Run.
class ThreadPool {
 public:
  // Starts `threads` - 1 threads; 0 means DefaultThreads(). With `pin`, worker i is bound to CPU i of
  // BindingOrder(), modulo its length.
  static Result<std::unique_ptr<ThreadPool>> Create(int threads, bool pin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return n_; }
  // Returns the CPU of each worker, read back from the kernel; -1 if the worker may use several.
  std::vector<int> Affinity() const;

  // Calls f(worker, n_workers) once on every worker and returns when all are done.
  template <class F>
  void Run(F&& f) {
    RunErased([](void* ctx, int worker, int n) { (*static_cast<std::remove_reference_t<F>*>(ctx))(worker, n); }, &f);
  }

  // Waits until every worker has called Barrier(). Each worker must call it inside a region.
  void Barrier();

  // Splits [0, count) evenly and calls f(begin, end, worker) for each non-empty part.
  template <class F>
  void ParallelFor(int64_t count, F&& f) {
    Run([&](int worker, int n) {
      const int64_t begin = count * worker / n, end = count * (worker + 1) / n;
      if (begin < end) f(begin, end, worker);
    });
  }

 private:
  struct Worker;
  using Fn = void (*)(void*, int, int);
  ThreadPool() = default;
  void RunErased(Fn fn, void* ctx);
  static void* Main(void* arg);
  void WaitChange(std::atomic<uint32_t>& word, uint32_t old);
  void Announce(std::atomic<uint32_t>& word);

  int n_ = 1;
  std::vector<Worker> workers_;
  std::vector<int> saved_affinity_;  // the caller's, restored by the destructor
  Fn fn_ = nullptr;
  void* ctx_ = nullptr;
  bool stop_ = false;
  alignas(64) std::atomic<uint32_t> job_{0};
  alignas(64) std::atomic<uint32_t> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};
  alignas(64) std::atomic<uint32_t> sleepers_{0};
};

}  // namespace edgefront

#endif  // EDGEFRONT_THREAD_POOL_H_
