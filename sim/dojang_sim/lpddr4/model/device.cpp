#include "device.h"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <random>

namespace dojang::lpddr4 {

namespace {

constexpr std::size_t kLogLines = 10'000;  // written and kept; more are only counted

bool is_write(Code code) { return code == WR || code == WRA || code == MWR || code == MWRA; }
bool is_read(Code code) { return code == RD || code == RDA; }

}  // namespace

Device::Device(int channel, const Spec& spec, int read_lead, int preamble)
    : channel_(channel), read_lead_(read_lead), preamble_(preamble), spec_(spec), checker_(spec), sequence_(spec),
      upkeep_(spec), image_(channel, int(spec.ports), spec.rows * kBanks / spec.ports * kPageBursts * kBurstBytes) {
  if (const char* options = std::getenv(("DOJANG_LPDDR4_" + std::to_string(channel)).c_str())) configure(options);
  restart(false);
}

void Device::configure(const std::string& options) {
  options_.add(options);
  sequence_.set_temperature(options_.temperatures[0]);
}

void Device::report(Clocks time, const char* what, int bank, const char* rule, const char* relation, Clocks limit) {
  const std::string where = bank < 0 ? "-" : std::to_string(bank);
  const std::string when = limit == kNoWait ? "-" : std::to_string(limit);
  const std::string line = "lpddr4 channel " + std::to_string(channel_) + ": t=" + std::to_string(time) + " " + what +
                           " bank " + where + ": rule " + rule + ", " + relation + " " + when;
  ++statistics_.breaches;
  if (log_.size() == kLogLines) return;
  std::fprintf(stderr, "%s\n", line.c_str());
  log_.push_back(line);
}

void Device::breach(const char* what, const char* rule) { report(now_, what, -1, rule, "earliest", kNoWait); }

void Device::clock(const Inputs& in, Outputs& out) {
  if (now_ >= next_check_) check_deadlines();
  if (in.cke != cke_ || in.reset_n != reset_n_) follow_signals(in);
  if (now_ >= options_.reset) {
    restart(in.cke);
    options_.reset = kForever;
  }
  if (in.cs || decoder_.busy()) {
    Decoded command;
    const unsigned ca = now_ < options_.stick_from ? in.ca : (in.ca | options_.ca_high) & ~options_.ca_low;
    if (decoder_.clock(now_, ca, in.cs, command) && !dropped(command)) execute(command);
  }
  take_write(in);
  drive_read(out);
  ++now_;
}

bool Device::dropped(const Decoded& command) {
  const bool by_number = ++seen_ == options_.drop;
  return (command.known && ++seen_of_[command.code] == options_.drop_of[command.code]) || by_number;
}

std::uint32_t Device::through_pins(std::uint32_t beats) const {
  if (now_ < options_.stick_from) return beats;
  return (beats | options_.dq_high * 0x10001u) & ~(options_.dq_low * 0x10001u);
}

void Device::check_deadlines() {
  upkeep_.check(now_, [this](const char* rule, Code due, int bank, Clocks deadline) {
    report(deadline, kNames[due], bank, rule, "latest", deadline);
    late_[bank] |= due == REFPB;
  });
  next_check_ = upkeep_.next();
}

void Device::follow_signals(const Inputs& in) {
  if (in.reset_n && !reset_n_) follow(RESET_HIGH);
  if (!in.reset_n && reset_n_) {
    if (!options_.restarts) follow(RESET_LOW);
    restart(in.cke);
  } else if (in.cke != cke_) {
    follow(in.cke ? CKE_HIGH : CKE_LOW);
  }
  cke_ = in.cke;
  reset_n_ = in.reset_n;
}

void Device::restart(bool cke) {
  checker_ = Checker(spec_);
  checker_.apply(now_, RESET_LOW, 0);
  if (!cke) checker_.apply(now_, CKE_LOW, 0);
  sequence_.restart(cke);
  upkeep_.clear();
  decoder_ = Decoder();
  writes_.clear();
  reads_.clear();
  next_check_ = upkeep_.next();
}

// A level cannot be refused: a breach is reported and the edge counts all the same.
void Device::follow(Code code) {
  Decoded edge;
  edge.time = now_;
  edge.known = true;
  edge.code = code;
  if (!legal(edge)) checker_.apply(now_, code, 0);
  sequence_.apply(code, 0);
}

bool Device::legal(const Decoded& command) {
  const int named = command.has_bank ? command.bank : -1;
  if (!command.known) {
    report(command.time, "unknown command", -1, observed::UNKNOWN, "earliest", kNoWait);
    return false;
  }
  for (const ConditionRule& rule : kConditions)
    if (contains(rule.commands, command.code) && !sequence_.holds(rule.condition, command.bank)) {
      report(command.time, kNames[command.code], named, rule.name, "earliest", kNoWait);
      return false;
    }
  const char* wrong = command.code == MRW ? sequence_.wrong_field(command.mode_register, command.operand) : nullptr;
  if (wrong) {
    report(command.time, kNames[command.code], named, wrong, "earliest", kNoWait);
    return false;
  }
  if (command.code == REFPB || command.code == REFAB) {
    const Clocks earliest = upkeep_.earliest_refresh(command.code == REFAB ? kBanks : 1);
    if (command.time < earliest) {
      report(command.time, kNames[command.code], named, kBurst.name, "earliest", earliest);
      return false;
    }
  }
  const Verdict verdict = checker_.issue(command.time, command.code, command.bank);
  if (!verdict.ok) report(command.time, kNames[command.code], named, verdict.rule, "earliest", verdict.earliest);
  return verdict.ok;
}

void Device::execute(const Decoded& command) {
  if (!legal(command)) return;
  ++statistics_.commands[command.code];
  apply(command);
  next_check_ = upkeep_.next();
}

void Device::apply(const Decoded& command) {
  const Code code = command.code;
  const int bank = command.bank;
  const bool all = contains(kAllBank, code);
  if (code == REFPB || code == REFAB) {
    unsigned gains = 0;  // all banks in the midst of a round: it only ends, those that had their turn gain nothing
    for (int one = 0; one < kBanks; ++one) gains |= unsigned((all || one == bank) && !sequence_.had_turn(one)) << one;
    upkeep_.refresh(gains, all ? kBanks : 1, command.time);
  }
  sequence_.apply(code, bank);
  if (code == ZQCAL_LATCH) upkeep_.calibrate(sequence_.temperature(), command.time);
  for (int addressed = all ? 0 : bank; addressed < (all ? kBanks : bank + 1); ++addressed) {
    if (contains(kOpening, code)) upkeep_.open(addressed, command.time);
    if (contains(kClosing, code)) upkeep_.close(addressed);
    statistics_.refreshes[addressed] += code == REFPB || code == REFAB;
  }
  if (code == ACT) rows_[bank] = command.row;
  if (code == MRW) {
    sequence_.write_mode(command.mode_register, command.operand);
    checker_.write_mode(command.mode_register, command.operand);
  }
  if (is_write(code)) {
    count_turn(true);
    const bool masked = code == MWR || code == MWRA;
    const std::int64_t number = ++written_ - options_.lose;
    const bool lost = number >= 0 && number < options_.lost;
    const std::int64_t offset = offset_of(command);
    writes_.push_back({command.time + 4 + sequence_.write_latency(), lost ? kNowhere : offset, masked});
  } else if (is_read(code) || code == MRR) {
    count_turn(false);
    Burst burst{command.time + 3 + sequence_.read_latency() + spec_.DQSCK - read_lead_, kNowhere};
    if (code == MRR) {
      sequence_.set_temperature(std::prev(options_.temperatures.upper_bound(command.time))->second);
      if (command.mode_register == 4) upkeep_.set_temperature(sequence_.temperature(), command.time);
      burst.mode = sequence_.read_mode(command.mode_register);
    } else {
      burst.offset = offset_of(command);
      burst.late = late_[bank] || (options_.ignore_refreshes && upkeep_.unrefreshed_is_late(now_));
    }
    reads_.push_back(burst);
  }
}

std::int64_t Device::offset_of(const Decoded& command) {
  const int banks = kBanks / int(spec_.ports), port = command.bank / banks;
  const std::int64_t row = rows_[command.bank];
  const std::int64_t offset = ((row * banks + command.bank % banks) * kPageBursts + command.burst) * kBurstBytes;
  if (offset < image_.size(port)) return image_.start(port) + offset;
  std::fprintf(stderr, "lpddr4 channel %d: word 0x%" PRIx64 " of row 0x%" PRIx64 ", the memory has 0x%" PRIx64
               " words\n", channel_, offset / kWordBytes, row, image_.size(port) / kWordBytes);
  report(command.time, kNames[command.code], command.bank, observed::IMAGE, "earliest", kNoWait);
  return kNowhere;
}

void Device::count_turn(bool write) {
  const auto direction = write ? kWriting : kReading;
  statistics_.turnarounds += direction_ != kNeither && direction_ != direction;
  direction_ = direction;
}

void Device::take_write(const Inputs& in) {
  const bool due = !writes_.empty() && now_ >= writes_.front().start;
  const bool soon = !writes_.empty() && now_ >= writes_.front().start - preamble_;
  const bool stray = in.drive && !soon;
  if (stray && !stray_) breach("write data", observed::WRITE_DATA);
  stray_ = stray;
  if (!due) return;
  const Burst& burst = writes_.front();
  const Clocks clock = now_ - burst.start;
  if (!in.drive && !missing_) breach("write data", observed::WRITE_DATA);
  missing_ = !in.drive;
  if (in.drive && burst.offset != kNowhere) {
    const std::uint32_t beats = through_pins(in.beats);
    std::uint8_t* cell = image_.at(burst.offset + 4 * clock);
    if (!burst.masked || in.mask == 0) {
      std::memcpy(cell, &beats, 4);
    } else {
      for (int i = 0; i < 4; ++i)
        if (!(in.mask >> i & 1)) cell[i] = beats >> 8 * i;
    }
  }
  if (clock == kBurstClocks - 1) writes_.pop_front(), missing_ = false;
}

void Device::drive_read(Outputs& out) {
  out.drive = !reads_.empty() && now_ >= reads_.front().start;
  out.preamble = !reads_.empty() && !out.drive && now_ >= reads_.front().start - 2;
  if (!out.drive) return;
  const Clocks clock = now_ - reads_.front().start;
  if (clock == 0) fetch(reads_.front());
  out.beats = through_pins(out_[clock]);
  if (clock == kBurstClocks - 1) reads_.pop_front();
}

void Device::fetch(const Burst& burst) {
  out_.fill(0);
  if (burst.mode >= 0) {
    // The register is in the first beat; whoever looks at another one is wrong.
    out_.fill(~burst.mode & 0xFF ? (~burst.mode & 0xFF) * 0x10001u : 0);
    out_[0] = (out_[0] & 0xFFFF0000u) | unsigned(burst.mode);
    return;
  }
  if (burst.offset == kNowhere) return;
  std::memcpy(out_.data(), image_.at(burst.offset), kBurstBytes);
  if (burst.late) {
    std::minstd_rand random(options_.seed + std::uint32_t(burst.offset / kBurstBytes) * 2654435761u);
    for (int flips = 3; flips; --flips) {
      const unsigned bit = random() >> 8;
      out_[bit % kBurstClocks] ^= 1u << (bit / kBurstClocks % 32);
    }
  }
  if (options_.flips.empty()) return;
  for (int half = 0; half < 2; ++half) {
    const auto found = options_.flips.find(burst.offset / kWordBytes + half);
    if (found == options_.flips.end()) continue;
    for (const auto& [bit, flipped] : found->second)
      if (flipped) out_[half * 4 + bit / 32] ^= 1u << bit % 32;
  }
}

void Device::write_statistics() const {
  if (options_.statistics.empty()) return;
  std::FILE* file = std::fopen(options_.statistics.c_str(), "w");
  if (!file) {
    std::fprintf(stderr, "lpddr4 channel %d: statistics cannot be written to %s\n", channel_,
                 options_.statistics.c_str());
    return;
  }
  std::fprintf(file,
               "{\"clocks\": %" PRId64 ", \"breaches\": %" PRId64 ", \"turnarounds\": %" PRId64 ", \"commands\": {",
               now_, statistics_.breaches, statistics_.turnarounds);
  for (int code = 0; code < kCommands; ++code)
    std::fprintf(file, "%s\"%s\": %" PRId64, code ? ", " : "", kNames[code], statistics_.commands[code]);
  std::fprintf(file, "}, \"refreshes\": [");
  for (int bank = 0; bank < kBanks; ++bank)
    std::fprintf(file, "%s%" PRId64, bank ? ", " : "", statistics_.refreshes[bank]);
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

}  // namespace dojang::lpddr4
