// One x16 LPDDR4 channel, clock by clock: its pins, its data and every breach of its rules.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "checker.h"
#include "decoder.h"
#include "image.h"
#include "options.h"
#include "sequence.h"
#include "upkeep.h"

namespace dojang::lpddr4 {

struct Inputs {  // of one tCK
  unsigned ca = 0;
  bool cs = false, cke = false, reset_n = false;
  bool drive = false;          // the two beats below are driven
  std::uint32_t beats = 0;     // the earlier one in the lower half
  unsigned mask = 0;           // DMI, bit 2b+i: byte i of beat b is left as it is (masked writes)
};

struct Outputs {
  bool drive = false;
  bool preamble = false;       // data begins within two clocks
  std::uint32_t beats = 0;
};

struct Statistics {
  std::array<std::int64_t, kCodes> commands{};
  std::array<std::int64_t, kBanks> refreshes{};
  std::int64_t turnarounds = 0, breaches = 0;
};

class Device {
 public:
  // read_lead: clocks by which read data comes out early, for a front that delays it as much.
  // preamble: clocks in which data may be driven before it is due.
  // Throws std::runtime_error with one sentence.
  Device(int channel, const Spec& spec, int read_lead = 0, int preamble = 0);

  void clock(const Inputs& in, Outputs& out);

  // Whether skip() may stand for that many clocks with nothing selected and no data driven.
  bool can_skip(int clocks, bool cke, bool reset_n) const {
    return writes_.empty() && reads_.empty() && !decoder_.busy() && now_ + clocks <= next_check_ && cke == cke_ &&
           reset_n == reset_n_;
  }
  void skip(int clocks) { now_ += clocks, stray_ = false; }

  void configure(const std::string& options);

  // Reports a breach that is no command's; `what` stands where a command's name would.
  void breach(const char* what, const char* rule);

  Clocks now() const { return now_; }
  bool stopped() const { return statistics_.breaches > 0 && !options_.keep_going; }
  const std::vector<std::string>& log() const { return log_; }
  const Statistics& statistics() const { return statistics_; }
  void write_statistics() const;

 private:
  struct Burst {
    Clocks start;             // of the first beat
    std::int64_t offset;      // in the image, kNowhere beyond it
    bool masked = false;
    bool late = false;        // its bank's refreshes were missed
    int mode = -1;            // mode register read instead
  };
  static constexpr std::int64_t kNowhere = -1;
  static constexpr int kBurstClocks = kBurstBytes / 4;

  void report(Clocks time, const char* what, int bank, const char* rule, const char* relation, Clocks limit);
  void check_deadlines();
  void follow_signals(const Inputs& in);
  void follow(Code code);
  void restart(bool cke);
  bool dropped(const Decoded& command);
  std::uint32_t through_pins(std::uint32_t beats) const;
  void execute(const Decoded& command);
  bool legal(const Decoded& command);
  void apply(const Decoded& command);
  std::int64_t offset_of(const Decoded& command);
  void count_turn(bool write);
  void take_write(const Inputs& in);
  void drive_read(Outputs& out);
  void fetch(const Burst& burst);

  int channel_, read_lead_, preamble_;
  Spec spec_;
  Checker checker_;
  Sequence sequence_;
  Upkeep upkeep_;
  Decoder decoder_;
  Image image_;
  Options options_;
  Statistics statistics_;
  std::vector<std::string> log_;
  Clocks now_ = 0, next_check_ = Upkeep::kNone;
  bool cke_ = false, reset_n_ = false;
  bool stray_ = false, missing_ = false;   // what WRITE_DATA was already reported for
  std::int64_t seen_ = 0;                  // commands decoded
  std::array<std::int64_t, kCommands> seen_of_{};
  std::int64_t written_ = 0;               // bursts
  enum { kNeither, kReading, kWriting } direction_ = kNeither;
  std::array<int, kBanks> rows_{};
  std::array<bool, kBanks> late_{};
  std::deque<Burst> writes_, reads_;
  std::array<std::uint32_t, kBurstClocks> out_{};  // burst on its way out
};

}  // namespace dojang::lpddr4
