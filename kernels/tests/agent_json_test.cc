// The agent's JSON reader and writer and its base64, on correct, almost correct and hostile input.
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "agent/base64_codec.h"
#include "agent/json.h"
#include "agent/sha256.h"
#include "tests/test.h"

namespace edgefront {
namespace {

bool Accepts(std::string_view text) {
  Json value;
  std::string error;
  const bool ok = Json::Parse(text, &value, &error);
  return ok && error.empty();
}

std::string Written(double value) {
  JsonWriter json;
  json.Number(value);
  return json.Take();
}

}  // namespace

TEST(agent_json_accepts_what_rfc_8259_allows) {
  for (const char* text : {"null", " true ", "-0", "1e5", "1.5E-3", "\"\"", "[]", "{}", "[1,[2,{\"a\":[]}]]", "\"\\u00e9\\ud83d\\ude00\"",
                           "{\"a\":1,\"a\":2}", "\"\xC3\xA9\""}) {
    CHECK_MSG(Accepts(text), text);
  }
}

TEST(agent_json_refuses_the_rest) {
  // clang-format off
  const char* wrong[] = {"", " ", "nul", "+1", "01", "1.", ".5", "1e", "0x10", "NaN", "Infinity", "1e999", "[1,]", "[1 2]", "{a:1}", "{\"a\"}",
                         "{\"a\":1,}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\n\"", "\"\xFF\"",
                         "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "[", "{", "[[", "1 2", "// 1", "'a'", "\"\xE2\x82"};
  // clang-format on
  for (const char* text : wrong) CHECK_MSG(!Accepts(text), text);
  CHECK(!Accepts(std::string_view("1\0", 2)));
  CHECK(!Accepts(std::string(100, '1')));
}

TEST(agent_json_depth_is_capped) {
  auto nested = [](int n) { return std::string(static_cast<size_t>(n), '[') + std::string(static_cast<size_t>(n), ']'); };
  CHECK(Accepts(nested(Json::kMaxDepth)));
  CHECK(!Accepts(nested(Json::kMaxDepth + 2)));
  // The stack would overflow without the limit on depth.
  CHECK(!Accepts(std::string(20'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK(!Accepts(objects));
}

TEST(agent_json_nodes_are_capped) {
  std::string many = "[0";
  for (size_t i = 0; i < Json::kMaxNodes; ++i) many += ",0";
  CHECK(!Accepts(many + "]"));
}

TEST(agent_json_reads_members) {
  Json value;
  std::string error;
  REQUIRE(Json::Parse("{\"n\":-1.25e2,\"s\":\"a\\n\\u20ac\",\"l\":[true,null],\"n2\":9007199254740992}", &value, &error));
  CHECK(value.Find("n")->number() == -125.0);
  CHECK(value.Find("s")->string() == "a\n\xE2\x82\xAC");
  CHECK(value.Find("l")->items().size() == 2 && value.Find("l")->items()[1].is_null());
  CHECK(value.Find("n2")->number() == 9007199254740992.0);
  CHECK(value.Find("absent") == nullptr);
}

TEST(agent_json_numbers_round_trip_and_are_never_nan) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const uint64_t bits = random();
    double x;
    static_assert(sizeof(x) == sizeof(bits));
    __builtin_memcpy(&x, &bits, sizeof(x));
    Json value;
    std::string error;
    REQUIRE(Json::Parse(Written(x), &value, &error));
    CHECK(std::isfinite(x) ? value.number() == x : value.is_null());
  }
  CHECK(Written(NAN) == "null" && Written(-INFINITY) == "null" && Written(0.1) == "0.1");
}

TEST(agent_json_strings_of_any_bytes_stay_json) {
  std::mt19937 random(3);
  for (int i = 0; i < 5'000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    JsonWriter json;
    json.BeginObject().Key(bytes).String(bytes).EndObject();
    CHECK(Accepts(json.text()));
    CHECK(json.text().find('\n') == std::string::npos);
  }
}

TEST(agent_json_survives_random_damage) {
  const std::string good =
      "{\"v\":1,\"id\":\"j1\",\"type\":\"measure\",\"model\":{\"plan\":\"R0dVRg==\"},\"contexts\":[16,1.5e3],\"x\":\"\\u00e9\"}";
  std::mt19937 random(11);
  int refused = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string damaged = good;
    for (int j = 1 + static_cast<int>(random() % 4); j > 0; --j) damaged[random() % damaged.size()] = static_cast<char>(random());
    damaged.resize(damaged.size() - random() % 8);
    refused += !Accepts(damaged);
  }
  CHECK(refused > 25'000);
}

TEST(agent_base64_round_trips_and_is_strict) {
  std::mt19937 random(5);
  for (size_t size = 0; size < 200; ++size) {
    std::vector<uint8_t> bytes(size), back;
    for (uint8_t& b : bytes) b = static_cast<uint8_t>(random());
    const std::string text = EncodeBase64(bytes.data(), bytes.size());
    CHECK(DecodeBase64(text, &back) && back == bytes);
    if (!text.empty()) CHECK(!DecodeBase64(text.substr(1), &back));
  }
  std::vector<uint8_t> out;
  for (const char* wrong : {"A", "AA", "AAA", "AA=A", "A===", "====", "AAAA====", "AA==AAAA", "AAA\n", "AA A", "AB==", "AAB=", "A-_A"}) {
    CHECK_MSG(!DecodeBase64(wrong, &out), wrong);
  }
}

TEST(agent_sha256_of_the_standard_vectors) {
  auto hash = [](const std::string& text) {
    Sha256 sha;
    sha.Update(text.data(), text.size());
    return sha.Finish();
  };
  CHECK(hash("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hash(std::string(1'000'000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  // Updates in pieces of every size, across block borders.
  const std::string text(1000, 'x');
  for (size_t piece = 1; piece < 130; ++piece) {
    Sha256 sha;
    for (size_t at = 0; at < text.size(); at += piece) sha.Update(text.data() + at, std::min(piece, text.size() - at));
    CHECK(sha.Finish() == hash(text));
  }
}

}  // namespace edgefront
