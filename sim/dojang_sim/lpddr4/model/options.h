// Options and injected faults of a channel, from one line of text.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

namespace dojang::lpddr4 {

constexpr int kCaPins = 6, kDqPins = 16, kWordBytes = 16;
constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

struct Options {
  bool keep_going = false;          // continue
  bool restarts = false;            // restarts: RESET_n may fall, with CKE, and the device starts over
  std::map<std::int64_t, int> temperatures{{0, 3}};   // temperature=CODE:T, what MR4 says from tCK T on
  unsigned seed = 1;                // seed=N, of decayed data
  std::string statistics;           // statistics=FILE, written at the end
  std::int64_t drop = 0;            // drop=N, the n-th command from 1 is not seen
  std::array<std::int64_t, kCommands> drop_of{};      // drop=KIND:N, the n-th of a kind
  std::int64_t lose = 0, lost = 0;  // lose=N+COUNT, from the n-th written burst on so many are not stored
  std::int64_t reset = kForever;      // reset=T, the device begins anew at tCK T
  bool ignore_refreshes = false;    // ignore-refreshes: taken, but without effect on the cells
  unsigned ca_high = 0, ca_low = 0;                   // stick=ca3:1
  unsigned dq_high = 0, dq_low = 0;                   // stick=dq5:0
  std::int64_t stick_from = 0;                        // stick-from=T, pins are stuck from tCK T on
  std::map<std::int64_t, std::map<int, bool>> flips;  // flip=WORD:BIT on read

  // Adds the options in `text`, separated by blanks. Throws std::runtime_error with one sentence.
  void add(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const auto equals = word.find('=');
      const std::string name = word.substr(0, equals);
      const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
      if (word == "continue") keep_going = true;
      else if (word == "restarts") restarts = true;
      else if (word == "ignore-refreshes") ignore_refreshes = true;
      else if (name == "statistics" && !value.empty()) statistics = value;
      else if (name == "temperature") add_temperature(word, value);
      else if (name == "seed") seed = unsigned(number(word, value, 0xFFFFFFFF));
      else if (name == "drop") add_drop(word, value);
      else if (name == "lose") add_lost(word, value);
      else if (name == "reset") reset = number(word, value, kForever);
      else if (name == "stick-from") stick_from = number(word, value, kForever);
      else if (name == "flip") add_flip(word, value);
      else if (name == "stick") add_stuck(word, value);
      else fail(word, "continue, restarts, ignore-refreshes, statistics=FILE, temperature=N, temperature=N:T, seed=N, drop=N, "
                      "drop=KIND:N, lose=N+COUNT, flip=WORD:BIT, stick=ca0:1, stick-from=T or reset=T");
    }
  }

 private:
  [[noreturn]] static void fail(const std::string& word, const std::string& expected) {
    throw std::runtime_error("option is " + word + ", expected " + expected);
  }

  static std::int64_t number(const std::string& word, const std::string& text, std::int64_t most) {
    char* end = nullptr;
    const std::int64_t value = std::strtoll(text.c_str(), &end, 0);
    if (text.empty() || *end || value < 0 || value > most) fail(word, "a number from 0 to " + std::to_string(most));
    return value;
  }

  void add_temperature(const std::string& word, const std::string& value) {
    const auto colon = value.find(':');
    const auto since = colon == std::string::npos ? 0 : number(word, value.substr(colon + 1), kForever);
    temperatures[since] = int(number(word, value.substr(0, colon), 7));
  }

  void add_drop(const std::string& word, const std::string& value) {
    const auto colon = value.find(':');
    if (colon == std::string::npos) {
      drop = number(word, value, kForever);
      return;
    }
    const auto kind = std::find(kNames, kNames + kCommands, value.substr(0, colon));
    if (kind == kNames + kCommands) fail(word, "a command such as drop=WR:5");
    drop_of[kind - kNames] = number(word, value.substr(colon + 1), kForever);
  }

  void add_lost(const std::string& word, const std::string& value) {
    const auto plus = value.find('+');
    if (plus == std::string::npos) fail(word, "lose=N+COUNT");
    lose = number(word, value.substr(0, plus), kForever);
    lost = number(word, value.substr(plus + 1), kForever);
  }

  void add_flip(const std::string& word, const std::string& value) {
    const auto colon = value.find(':');
    if (colon == std::string::npos) fail(word, "flip=WORD:BIT");
    flips[number(word, value.substr(0, colon), UINT32_MAX)][number(word, value.substr(colon + 1), 127)] ^= true;
  }

  void add_stuck(const std::string& word, const std::string& value) {
    const bool ca = value.compare(0, 2, "ca") == 0, dq = value.compare(0, 2, "dq") == 0;
    const auto colon = value.find(':');
    if (!(ca || dq) || colon == std::string::npos) fail(word, "stick=caN:LEVEL or stick=dqN:LEVEL");
    const auto pin = number(word, value.substr(2, colon - 2), ca ? kCaPins - 1 : kDqPins - 1);
    const bool high = number(word, value.substr(colon + 1), 1);
    (ca ? high ? ca_high : ca_low : high ? dq_high : dq_low) |= 1u << pin;
  }
};

}  // namespace dojang::lpddr4
