// The two wires of a UART, eight data bits, no parity, one stop bit, as bits in time.
//
// Time is counted in parts of a clock cycle so that a cycle and a bit are both whole: a cycle has `baud` parts, a bit
// `clock_hz` of them. Bits of successive bytes follow without rounding, whatever the ratio.
#pragma once

#include <cstdint>

class BitTime {
 public:
    explicit BitTime(uint64_t clock_hz) : clock_hz_(clock_hz) {}
    void set_baud(uint64_t baud) { baud_ = baud; }
    uint64_t baud() const { return baud_; }
    uint64_t cycle() const { return baud_; }
    uint64_t bit() const { return clock_hz_; }

 private:
    uint64_t clock_hz_, baud_ = 1;
};

// Sends bytes to the chip's receiver.
class LineDriver {
 public:
    explicit LineDriver(const BitTime& time) : time_(time) {}

    // A byte can be begun: the stop bit of the one before is over in this cycle.
    bool idle() const { return bits_ == 0; }

    void begin(uint8_t byte) {
        bits_ = 10;
        frame_ = 0x200u | byte << 1;
        left_ += time_.bit();
    }

    // The level in this cycle; the next call is for the next cycle.
    bool level() {
        if (bits_ == 0) {
            left_ = 0;
            return true;
        }
        const bool now = frame_ & 1;
        for (left_ -= time_.cycle(); left_ <= 0 && bits_; ) {
            frame_ >>= 1;
            if (--bits_) left_ += time_.bit();
        }
        return now;
    }

 private:
    const BitTime& time_;
    unsigned bits_ = 0, frame_ = 0;
    int64_t left_ = 0;  // of the bit; not above 0 between bytes: what the last one ran over its end
};

// Takes bytes from the chip's transmitter; each bit is looked at in its middle.
class LineReceiver {
 public:
    enum class Event { kNone, kByte, kBadStop };

    explicit LineReceiver(const BitTime& time) : time_(time) {}
    bool busy() const { return bits_ != 0; }
    uint8_t byte() const { return byte_; }

    Event sample(bool level) {
        if (bits_ == 0) {
            if (!level && last_) {
                bits_ = 10;
                left_ = time_.bit() / 2;
            }
            last_ = level;
            return Event::kNone;
        }
        last_ = level;
        left_ -= time_.cycle();
        if (left_ > 0) return Event::kNone;
        left_ += time_.bit();
        --bits_;
        if (bits_ == 9) {
            if (level) bits_ = 0;  // a glitch, no start bit
            return Event::kNone;
        }
        if (bits_) {
            byte_ = byte_ >> 1 | level << 7;
            return Event::kNone;
        }
        return level ? Event::kByte : Event::kBadStop;
    }

 private:
    const BitTime& time_;
    unsigned bits_ = 0;
    uint8_t byte_ = 0;
    bool last_ = true;
    int64_t left_ = 0;
};
