// The harness of the C++ tests. TEST(Name) { CHECK(...); } in any tests/*_test.cc registers itself.
// tests/main.cc runs all tests, or those whose name contains one of its arguments. A failed check is reported
// and the test continues.
#pragma once

#include <cmath>
#include <sstream>
#include <string>

namespace edgefront::testing {

using TestFn = void (*)();
struct Registrar {
  Registrar(const char* name, TestFn fn);
};
void Fail(const char* file, int line, const std::string& what);

}  // namespace edgefront::testing

#define TEST(name)                                                                  \
  static void Test##name();                                                         \
  static const ::edgefront::testing::Registrar registrar_##name(#name, Test##name); \
  static void Test##name()

#define CHECK(condition)                                                          \
  do {                                                                            \
    if (!(condition)) ::edgefront::testing::Fail(__FILE__, __LINE__, #condition); \
  } while (0)

// `detail` is streamed, for example CHECK_MSG(x < y, "m=" << m << " worst " << worst).
#define CHECK_MSG(condition, detail)                              \
  do {                                                            \
    if (!(condition)) {                                           \
      std::ostringstream out_;                                    \
      out_ << #condition << ": " << detail;                       \
      ::edgefront::testing::Fail(__FILE__, __LINE__, out_.str()); \
    }                                                             \
  } while (0)

#define CHECK_NEAR(a, b, tolerance)                                                                     \
  do {                                                                                                  \
    const double a_ = (a), b_ = (b), t_ = (tolerance);                                                  \
    CHECK_MSG(std::fabs(a_ - b_) <= t_, #a " = " << a_ << ", " #b " = " << b_ << ", tolerance " << t_); \
  } while (0)

// Ends the test if the condition is false, because later checks would make no sense.
#define REQUIRE(condition)                                        \
  do {                                                            \
    if (!(condition)) {                                           \
      ::edgefront::testing::Fail(__FILE__, __LINE__, #condition); \
      return;                                                     \
    }                                                             \
  } while (0)
