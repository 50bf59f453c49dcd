// Shape of the rule table; compiled.py writes the table itself, from rules.py and device_rules.py, after this file.
#pragma once
#include <cstdint>

namespace dojang::lpddr4 {

using Clocks = std::int64_t;  // tCK
struct Spec;                  // values of one part, fields as in devicespec.py

using Span = Clocks (*)(const Spec&);
using Codes = std::uint32_t;  // a set of commands and events, bit n is code n

struct StateRule {
  const char* name;
  Codes commands;
  bool open;
};

struct ModeBits {
  int mode_register;  // -1: none
  unsigned mask, low;
};

struct TimingRule {
  const char* name;
  Codes before, after;
  bool any_bank;
  Span distance;
  ModeBits when;
};

struct ModeField {
  const char* name;
  ModeBits bits;
  Span least, most;
};

struct WindowRule {
  const char* name;
  Codes commands;
  int count;
  Span span;
};

enum class Condition;  // enumerators as in device_rules.py

struct ConditionRule {
  const char* name;
  Codes commands;
  Condition condition;
};

struct RefreshRule {
  const char* name;
  Span interval;
  int postponed;
  int quarters[8];  // of the interval, by code of MR4
};

struct BurstRule {
  const char* name;
  int count, intervals;
};

struct OpenRule {
  const char* name;
  int intervals;
  Span span;
};

struct CalibrationRule {
  const char* name;
  Span span;
};

struct Latencies {
  int read, write;
};

}  // namespace dojang::lpddr4
