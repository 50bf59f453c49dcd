// Conditions of the device: initialisation, mode registers, calibration and the round of per-bank refreshes.
#pragma once
#include <array>
#include <cstdint>

namespace dojang::lpddr4 {

class Sequence {
 public:
  explicit Sequence(const Spec& spec) : latency_code_(spec.latency_code), rows_(spec.rows) {}

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
      case Condition::MODES: return modes_right();
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
      case 8: return (rows_ >= 1 << 17 ? 6 : rows_ >= 1 << 16 ? 4 : 2) << 2;  // density of two channels, x16
      default: return 0;
    }
  }

 private:
  bool modes_right() const {
    const Clocks latency = latency_code_;
    const bool mr1 = (modes_[1] & 3) == 0 && (modes_[1] >> 4 & 7) == latency;
    const bool mr2 = (modes_[2] & 0xFF) == (latency << 3 | latency);  // set A, no write levelling
    const bool mr3 = modes_[3] >> 6 == 0;
    return (written_ & 0xE) == 0xE && mr1 && mr2 && mr3;
  }

  Clocks latency_code_, rows_;
  int temperature_ = 3;  // refresh at tREFI
  bool reset_n_ = false, cke_ = false, calibrating_ = false, calibrated_ = false;
  unsigned turns_ = 0;  // banks refreshed in this round
  std::uint64_t written_ = 0;
  std::array<std::uint8_t, 64> modes_{};
};

}  // namespace dojang::lpddr4
