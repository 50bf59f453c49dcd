// The device behind the PHY boundary, a controller cycle at a time, and behind its pins.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>

#include "device.h"

namespace dojang::lpddr4 {

struct Front {
  Front(int channel, const Spec& spec, int read_lead, int preamble) : device(channel, spec, read_lead, preamble) {}
  virtual ~Front() { device.write_statistics(); }
  Device device;
};

constexpr int kMaxRatio = 8;

struct Cycle {  // what the controller drives in one cycle, as PhyPort has it
  std::uint64_t ca = 0;
  unsigned cs = 0;
  bool cke = false, reset_n = false, write_valid = false, read_start = false;
  std::uint32_t write[kMaxRatio] = {};
  std::uint32_t mask = 0;
};

// A PHY that only shifts whole clocks. The data that `read_start` asks for comes out `read_cycles` calls later.
class PhyFront : public Front {
 public:
  PhyFront(int channel, const Spec& spec, int ratio, int write_shift, int read_cycles)
      : Front(channel, spec, 0, 0), ratio_(ratio), shift_(write_shift),
        expected_((std::uint64_t{1} << kBurstBytes / 4 / ratio) - 1), read_cycles_(read_cycles) {}

  // True if `read`, `ratio` pairs of beats, is data.
  bool cycle(const Cycle& in, std::uint32_t* read) {
    if (!in.reset_n) forget();
    if (in.cs == 0 && !in.write_valid && !before_.write_valid && due_ == 0 && !in.read_start &&
        device.can_skip(ratio_, in.cke, in.reset_n)) {
      device.skip(ratio_);
      return false;
    }
    if (in.read_start) due_ |= expected_ << read_cycles_;
    for (int phase = 0; phase < ratio_; ++phase) clock(in, phase);
    before_ = in;
    return take(read);
  }

 private:
  void clock(const Cycle& in, int phase) {
    const bool late = phase < shift_;  // data of the cycle before
    const Cycle& source = late ? before_ : in;
    const int pair = late ? ratio_ - shift_ + phase : phase - shift_;
    Inputs inputs;
    inputs.ca = in.ca >> kCaPins * phase & 0x3F;
    inputs.cs = in.cs >> phase & 1;
    inputs.cke = in.cke;
    inputs.reset_n = in.reset_n;
    inputs.drive = source.write_valid;
    inputs.beats = source.write[pair];
    inputs.mask = source.mask >> 4 * pair & 0xF;
    Outputs outputs;
    device.clock(inputs, outputs);
    if (outputs.drive) arrived_.push_back(outputs.beats);
  }

  // With RESET_n low nothing is on its way any more.
  void forget() {
    due_ = 0;
    arrived_.clear();
    before_.write_valid = false;
  }

  bool take(std::uint32_t* read) {
    const bool wanted = due_ & 1;
    due_ >>= 1;
    if (wanted) {
      if (int(arrived_.size()) < ratio_) device.breach("read data", observed::READ_DATA);
      for (int i = 0; i < ratio_; ++i) {
        read[i] = arrived_.empty() ? 0 : arrived_.front();
        if (!arrived_.empty()) arrived_.pop_front();
      }
    } else if (due_ == 0 && !arrived_.empty()) {
      device.breach("read data", observed::READ_DATA);
      arrived_.clear();
    }
    return wanted;
  }

  int ratio_, shift_;
  std::uint64_t expected_;  // a burst's cycles
  int read_cycles_;
  std::uint64_t due_ = 0;   // bit n: data is due with the n-th call from now
  Cycle before_;
  std::deque<std::uint32_t> arrived_;
};

// At the pins a clock's data is complete a clock later: the device runs one behind and reads come out one early.
class PinsFront : public Front {
 public:
  PinsFront(int channel, const Spec& spec) : Front(channel, spec, 1, int(spec.WPRE)) {}
};

}  // namespace dojang::lpddr4
