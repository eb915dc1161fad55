// A test harness in one page: TEST registers, CHECK records a failure and goes on. tests/main.cc runs them all.
#ifndef EDGEFRONT_TESTS_CHECK_H_
#define EDGEFRONT_TESTS_CHECK_H_

#include <string>

namespace edgefront::testing {

using TestFn = void (*)();
bool Register(const char* name, TestFn fn);
void Fail(const char* file, int line, const std::string& what);

}  // namespace edgefront::testing

#define TEST(name)                                                                              \
  static void name();                                                                           \
  [[maybe_unused]] static const bool registered_##name = ::edgefront::testing::Register(#name, name); \
  static void name()

#define CHECK(condition)                                                       \
  do {                                                                         \
    if (!(condition)) ::edgefront::testing::Fail(__FILE__, __LINE__, #condition); \
  } while (0)

// With a message made only on failure.
#define CHECK_MSG(condition, message)                                                                       \
  do {                                                                                                      \
    if (!(condition)) ::edgefront::testing::Fail(__FILE__, __LINE__, std::string(#condition) + ": " + (message)); \
  } while (0)

#define REQUIRE(condition)                                                     \
  do {                                                                         \
    if (!(condition)) {                                                        \
      ::edgefront::testing::Fail(__FILE__, __LINE__, #condition);              \
      return;                                                                  \
    }                                                                          \
  } while (0)

#endif  // EDGEFRONT_TESTS_CHECK_H_
