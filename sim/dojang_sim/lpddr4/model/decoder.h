// Commands from the command/address pins; truth table of JESD209-4.
#pragma once
#include <cstdint>

namespace dojang::lpddr4 {

// A decoded command; `code` means nothing if it is not `known`.
struct Decoded {
  Clocks time = 0;  // of its first clock edge
  bool known = false;
  bool has_bank = false;
  Code code = ACT;
  int bank = 0, row = 0, burst = 0;
  int mode_register = 0, operand = 0;
};

class Decoder {
 public:
  bool busy() const { return edge_ != 0; }

  // One clock edge. True when `command` is complete, or is found not to be one.
  bool clock(Clocks now, unsigned ca, bool cs, Decoded& command) {
    const bool first_edge = edge_ % 2 == 0;
    if (cs != first_edge) {
      if (edge_ == 0) return false;  // deselected
      return finish(command, false);
    }
    if (edge_ == 0) command_ = Decoded{now};
    edges_[edge_++] = ca;
    if (edge_ == 2 && !first_half()) return finish(command, true);
    if (edge_ == 4) return second_half(), finish(command, true);
    return false;
  }

 private:
  // Values of CA0 to CA4 (CA0 is bit 0) at the first edge of a half.
  enum Half { MPC = 0x00, RD_1 = 0x02, WR_1 = 0x04, MRW_1 = 0x06, REFRESH = 0x08, MWR_1 = 0x0C, MRR_1 = 0x0E,
              PRECHARGE = 0x10, CAS_2 = 0x12, MRW_2 = 0x16 };
  static constexpr int kActivate1 = 0x1, kActivate2 = 0x3;  // CA0 and CA1
  static constexpr int kZqStart = 0x4F, kZqLatch = 0x51;    // operands of MPC

  bool finish(Decoded& command, bool valid) {
    edge_ = 0;
    command_.known &= valid;
    command = command_;
    return true;
  }

  void found(Code code, bool bank) {
    command_.known = true;
    command_.code = code;
    command_.has_bank = bank;
  }

  // True if another half belongs to the command.
  bool first_half() {
    const unsigned head = edges_[0], tail = edges_[1];
    command_.bank = tail & 7;
    if ((head & 3) == kActivate1) {
      command_.row = (head >> 2 & 0xF) << 12 | (tail >> 3 & 1) << 16 | (tail >> 4 & 3) << 10;
      return found(ACT, true), true;
    }
    const bool flag = head >> 5, precharges = tail >> 5;
    command_.burst = (tail >> 4 & 1) << 5;  // C9
    switch (head & 0x1F) {
      case RD_1: return found(precharges ? RDA : RD, true), true;
      case WR_1: return found(precharges ? WRA : WR, true), true;
      case MWR_1: return found(precharges ? MWRA : MWR, true), true;
      case MRW_1: return command_.operand = flag << 7, command_.mode_register = tail, found(MRW, false), true;
      case MRR_1: return command_.mode_register = tail, found(MRR, false), true;
      case PRECHARGE: return found(flag ? PREAB : PREPB, !flag), false;
      case REFRESH: return found(flag ? REFAB : REFPB, !flag), false;
      case MPC: {
        const int operand = flag << 6 | tail;
        if (operand == kZqStart) found(ZQCAL_START, false);
        if (operand == kZqLatch) found(ZQCAL_LATCH, false);
        return false;
      }
      default: return false;
    }
  }

  void second_half() {
    const unsigned head = edges_[2], tail = edges_[3];
    if (command_.code == ACT) {
      command_.known = (head & 3) == kActivate2;
      command_.row |= (head >> 2 & 0xF) << 6 | tail;
    } else if (command_.code == MRW) {
      command_.known = (head & 0x1F) == MRW_2;
      command_.operand |= (head >> 5) << 6 | tail;
    } else {
      // C2 and C3 would start inside the burst, which is not modelled.
      command_.known = (head & 0x1F) == CAS_2 && (tail & 3) == 0;
      command_.burst |= (head >> 5) << 4 | tail >> 2;  // C8, C4 to C7
    }
  }

  int edge_ = 0;  // edges of the command taken so far
  unsigned edges_[4] = {};
  Decoded command_;
};

}  // namespace dojang::lpddr4
