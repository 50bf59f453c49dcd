// Conditions of the device: initialisation, mode registers, calibration and the round of per-bank refreshes.
#pragma once
#include <array>
#include <cstdint>

namespace dojang::lpddr4 {

class Sequence {
 public:
  explicit Sequence(const Spec& spec) : spec_(spec) {}

  int read_latency() const { return kLatencies[modes_[2] & 7].read; }
  int write_latency() const { return kLatencies[modes_[2] >> 3 & 7].write; }
  bool calibrated() const { return calibrated_; }
  void set_temperature(int code) { temperature_ = code; }
  int temperature() const { return temperature_; }
  bool had_turn(int bank) const { return turns_ >> bank & 1; }

  bool holds(Condition condition, int bank) const {
    switch (condition) {
      case Condition::POWERED: return reset_n_ && cke_;
      case Condition::STARTED: return reset_n_;
      case Condition::NEVER: return false;
      case Condition::MODES: return (written_ & 0xE) == 0xE;
      case Condition::CALIBRATING: return calibrating_;
      case Condition::CALIBRATED: return calibrated_;
      case Condition::TURN: return !had_turn(bank);
    }
    return false;
  }

  void apply(Code code, int bank) {
    switch (code) {
      case RESET_HIGH: reset_n_ = true; break;
      case CKE_LOW: cke_ = false; break;
      case CKE_HIGH: cke_ = true; break;
      case ZQCAL_START: calibrating_ = true; break;
      case ZQCAL_LATCH: calibrating_ = false, calibrated_ = true; break;
      case REFAB: turns_ = 0; break;
      case REFPB:
        turns_ |= 1 << bank;
        if (turns_ == (1 << kBanks) - 1) turns_ = 0;
        break;
      default: break;
    }
  }

  // RESET_n has fallen.
  void restart(bool cke) {
    reset_n_ = calibrating_ = calibrated_ = false;
    cke_ = cke;
    turns_ = 0;
    written_ = 0;
    modes_.fill(0);
  }

  // The field that must not be written so, observed::REGISTER if the register has none; null if all is well.
  const char* wrong_field(int address, int operand) const {
    bool known = false;
    for (const ModeField& field : kModeFields) {
      if (field.bits.mode_register != address) continue;
      known = true;
      const Clocks value = (operand & field.bits.mask) >> field.bits.low;
      if (value < field.least(spec_) || value > field.most(spec_)) return field.name;
    }
    return known ? nullptr : observed::REGISTER;
  }

  void write_mode(int address, int operand) {
    modes_[address] = operand;
    written_ |= std::uint64_t{1} << address;
  }

  int read_mode(int address) const {
    switch (address) {
      case 4: return temperature_;
      case 5: return 0xD0;  // manufacturer, not one of JEDEC's
      case 6: return 0x01;  // revisions
      case 7: return 0x00;
      case 8: return (spec_.rows >= 1 << 17 ? 6 : spec_.rows >= 1 << 16 ? 4 : 2) << 2;  // density of two channels, x16
      default: return 0;
    }
  }

 private:
  Spec spec_;
  int temperature_ = 3;  // refresh at tREFI
  bool reset_n_ = false, cke_ = false, calibrating_ = false, calibrated_ = false;
  unsigned turns_ = 0;  // banks refreshed in this round
  std::uint64_t written_ = 0;
  std::array<std::uint8_t, 64> modes_{};
};

}  // namespace dojang::lpddr4
