// C functions of the model, for DPI-C (lpddr4_phy.v, lpddr4_pins.v) and for Python (binding.py).
#include <cstdio>
#include <memory>
#include <sstream>

#include "fronts.h"

namespace dojang::lpddr4 {
namespace {

Spec parse(const std::string& text) {
  Spec spec;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    for (const SpecField& field : kSpecFields)
      if (word.compare(0, equals, field.name) == 0) spec.*field.value = std::stoll(word.substr(equals + 1));
  }
  for (const SpecField& field : kSpecFields)
    if (spec.*field.value < 0) throw std::runtime_error(std::string("specification lacks ") + field.name);
  if (spec.banks != kBanks) throw std::runtime_error("banks is " + std::to_string(spec.banks) + ", expected 8");
  return spec;
}

template <typename Made, typename... Arguments>
void* make(int channel, const char* spec, Arguments... arguments) {
  try {
    return static_cast<Front*>(new Made(channel, parse(spec), arguments...));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lpddr4 channel %d: %s\n", channel, error.what());
    return nullptr;
  }
}

Device& device_of(void* front) { return static_cast<Front*>(front)->device; }

}  // namespace
}  // namespace dojang::lpddr4

using namespace dojang::lpddr4;

extern "C" {

// Null, with a message on stderr, if the image or an option cannot be used.
void* dojang_lpddr4_open_phy(int channel, const char* spec, int ratio, int write_shift, int read_cycles) {
  return make<PhyFront>(channel, spec, ratio, write_shift, read_cycles);
}

void* dojang_lpddr4_open_pins(int channel, const char* spec) { return make<PinsFront>(channel, spec); }

void dojang_lpddr4_close(void* front) { delete static_cast<Front*>(front); }

// Results of the two below: bit 0 data is driven, bit 1 data begins within two clocks, bit 2 stop.

// control: CS of each phase (8), CKE, RESET_n, write_valid, read_start.
int dojang_lpddr4_phy_cycle(void* front, long long ca, int control, const std::uint32_t* write, int mask,
                            std::uint32_t* read) {
  Cycle cycle;
  cycle.ca = ca;
  cycle.cs = control & 0xFF;
  cycle.cke = control >> 8 & 1;
  cycle.reset_n = control >> 9 & 1;
  cycle.write_valid = control >> 10 & 1;
  cycle.read_start = control >> 11 & 1;
  cycle.mask = mask;
  if (cycle.write_valid) std::memcpy(cycle.write, write, sizeof cycle.write);
  auto* phy = static_cast<PhyFront*>(static_cast<Front*>(front));
  const bool data = phy->cycle(cycle, read);
  return data | phy->device.stopped() << 2;
}

// control: CA (6), CS, CKE, RESET_n, whether the beats are driven, mask (4).
int dojang_lpddr4_clock(void* front, int control, int beats, int* read) {
  Inputs inputs;
  inputs.ca = control & 0x3F;
  inputs.cs = control >> 6 & 1;
  inputs.cke = control >> 7 & 1;
  inputs.reset_n = control >> 8 & 1;
  inputs.drive = control >> 9 & 1;
  inputs.mask = control >> 10 & 0xF;
  inputs.beats = beats;
  Outputs outputs;
  Device& device = device_of(front);
  device.clock(inputs, outputs);
  *read = outputs.beats;
  return outputs.drive | outputs.preamble << 1 | device.stopped() << 2;
}

// 0, with a message on stderr, if an option is not one.
int dojang_lpddr4_configure(void* front, const char* options) {
  try {
    device_of(front).configure(options);
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lpddr4: %s\n", error.what());
    return 0;
  }
}

long long dojang_lpddr4_now(void* front) { return device_of(front).now(); }

// "breaches", "turnarounds", the name of a command, or "refreshes" and a bank; -1 if it is none of them.
long long dojang_lpddr4_count(void* front, const char* name) {
  const Statistics& statistics = device_of(front).statistics();
  const std::string wanted = name;
  if (wanted == "breaches") return statistics.breaches;
  if (wanted == "turnarounds") return statistics.turnarounds;
  for (int code = 0; code < kCommands; ++code)
    if (wanted == kNames[code]) return statistics.commands[code];
  for (int bank = 0; bank < kBanks; ++bank)
    if (wanted == "refreshes" + std::to_string(bank)) return statistics.refreshes[bank];
  return -1;
}

// The n-th line of the log of breaches; null beyond its end.
const char* dojang_lpddr4_breach(void* front, long long index) {
  const auto& log = device_of(front).log();
  return index < static_cast<long long>(log.size()) ? log[index].c_str() : nullptr;
}

// The rules between commands alone, without pins and data.
void* dojang_lpddr4_checker(const char* spec) {
  try {
    return new Checker(parse(spec));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lpddr4: %s\n", error.what());
    return nullptr;
  }
}

void dojang_lpddr4_checker_close(void* checker) { delete static_cast<Checker*>(checker); }

// As Checker.issue of checker.py: 1 if legal; -1 for an earliest that does not exist, null for no rule.
int dojang_lpddr4_issue(void* checker, long long time, int code, int bank, long long* earliest, const char** rule) {
  const Verdict verdict = static_cast<Checker*>(checker)->issue(time, Code(code), bank);
  *earliest = verdict.earliest;
  *rule = verdict.rule;
  return verdict.ok;
}

// As Checker.write_mode.
void dojang_lpddr4_write_mode(void* checker, int mode_register, int operand) {
  static_cast<Checker*>(checker)->write_mode(mode_register, operand);
}

}  // extern "C"
