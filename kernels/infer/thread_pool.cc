// Workers on pthreads. A waiting worker spins for some tens of microseconds, then sleeps on a futex
// (std::atomic::wait).
#include "include/edgefront/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "include/edgefront/host.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace edgefront {
namespace {

constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // `yield` is a no-op on most cores; isb waits for some ten cycles
#endif
}

void PinSelf(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int c : cpus) CPU_SET(c, &set);
  sched_setaffinity(0, sizeof(set), &set);  // best effort: Affinity() reports the CPUs in effect
}

int PinnedCpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) != 1) return -1;
  for (int c = 0; c < CPU_SETSIZE; ++c) {
    if (CPU_ISSET(c, &set)) return c;
  }
  return -1;
}

}  // namespace

struct ThreadPool::Worker {
  ThreadPool* pool = nullptr;
  int index = 0;
  int pin_to = -1;
  int cpu = -1;
  pthread_t thread{};
};

Result<std::unique_ptr<ThreadPool>> ThreadPool::Create(int threads, bool pin) {
  const std::vector<int> cpus = BindingOrder();
  if (threads < 0 || threads > 256) return BadRequest("threads must be between 0 (all cores) and 256");
  if (threads == 0) threads = DefaultThreads();
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  pool->workers_.resize(threads);
  if (pin) pool->saved_affinity_ = cpus;
  for (int i = 0; i < threads; ++i) {
    Worker& w = pool->workers_[i];
    w.pool = pool.get();
    w.index = i;
    w.pin_to = pin ? cpus[i % cpus.size()] : -1;
    if (i == 0) {
      if (pin) PinSelf({w.pin_to});
      w.cpu = PinnedCpu();
      continue;
    }
    if (const int error = pthread_create(&w.thread, nullptr, &ThreadPool::Main, &w); error != 0) {
      // ~ThreadPool joins the n_ workers so far.
      return OutOfMemory(std::string("cannot start a worker thread: ") + std::strerror(error));
    }
    pool->n_ = i + 1;
  }
  pool->Run([](int, int) {});  // every worker has started and read its CPU back
  return pool;
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  Announce(job_);
  for (int i = 1; i < n_; ++i) pthread_join(workers_[i].thread, nullptr);
  if (!saved_affinity_.empty()) PinSelf(saved_affinity_);
}

std::vector<int> ThreadPool::Affinity() const {
  std::vector<int> cpus;
  for (const Worker& w : workers_) cpus.push_back(w.cpu);
  return cpus;
}

void* ThreadPool::Main(void* arg) {
  Worker& self = *static_cast<Worker*>(arg);
  ThreadPool& pool = *self.pool;
  if (self.pin_to >= 0) PinSelf({self.pin_to});
  self.cpu = PinnedCpu();
  for (uint32_t seen = 0;;) {
    pool.WaitChange(pool.job_, seen);
    ++seen;
    if (pool.stop_) return nullptr;
    pool.fn_(pool.ctx_, self.index, pool.n_);
    pool.Barrier();
  }
}

void ThreadPool::RunErased(Fn fn, void* ctx) {
  fn_ = fn;
  ctx_ = ctx;
  Announce(job_);
  fn(ctx, 0, n_);
  Barrier();
}

void ThreadPool::Barrier() {
  if (n_ == 1) return;
  const uint32_t phase = phase_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) == static_cast<uint32_t>(n_) - 1) {
    arrived_.store(0, std::memory_order_relaxed);
    Announce(phase_);
  } else {
    WaitChange(phase_, phase);
  }
}

// Announcing and waiting are sequentially consistent. A waiter that has counted itself therefore either sees
// the new value or is seen by the announcer.
void ThreadPool::Announce(std::atomic<uint32_t>& word) {
  word.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) word.notify_all();
}

void ThreadPool::WaitChange(std::atomic<uint32_t>& word, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    if (word.load(std::memory_order_acquire) != old) return;
    Pause();
  }
  sleepers_.fetch_add(1, std::memory_order_seq_cst);
  while (word.load(std::memory_order_seq_cst) == old) word.wait(old, std::memory_order_seq_cst);
  sleepers_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace edgefront
