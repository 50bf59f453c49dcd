// Deadlines: refreshes of each bank, the longest time a row may be open, the next calibration.
//
// The refresh interval changes with MR4. Ages are what the time since the first calibration is worth, in units of which a
// refresh interval, whatever it is at the time, has interval_.
#pragma once
#include <algorithm>
#include <array>
#include <deque>
#include <limits>

namespace dojang::lpddr4 {

class Upkeep {
 public:
  static constexpr Clocks kNone = std::numeric_limits<Clocks>::max();

  explicit Upkeep(const Spec& spec)
      : interval_(kRefresh.interval(spec) * kUnit / 4), open_span_(kRowOpen.span(spec)),
        calibration_span_(kCalibration.span(spec)) {
    clear();
  }

  void clear() {
    origin_ = latched_ = next_ = kNone;
    opened_.fill({});
    credit_.fill(0);
    recent_.clear();
  }

  // What MR4 says is known from now on.
  void set_temperature(int code, Clocks now) {
    if (origin_ != kNone) origin_age_ = age(now), origin_ = now;
    rate_ = kUnit / kRefresh.quarters[code];
    plan();
  }

  void calibrate(int temperature, Clocks now) {
    latched_ = now;
    if (origin_ == kNone) {
      origin_ = now;
      origin_age_ = 0;
      set_temperature(temperature, now);
    }
    plan();
  }

  void open(int bank, Clocks now) {
    opened_[bank] = {now, now + open_span_, origin_ == kNone ? kNone : age(now) + kRowOpen.intervals * interval_};
    plan();
  }

  void close(int bank) { opened_[bank] = {}; }

  // First clock in which a refresh of so many banks is not one too many.
  Clocks earliest_refresh(int banks) const {
    const int excess = int(recent_.size()) + banks - kBurst.count * kBanks;
    return excess <= 0 ? 0 : clock_of(recent_[excess - 1] + kBurst.intervals * interval_);
  }

  // `gains`: banks that have one refresh more. `banks`: how many the command addresses.
  void refresh(unsigned gains, int banks, Clocks now) {
    if (origin_ == kNone) return;
    const Clocks at = age(now);
    for (int bank = 0; bank < kBanks; ++bank)
      if (gains >> bank & 1) credit_[bank] = std::min(credit_[bank] + 1, at / interval_ + kRefresh.postponed);
    recent_.insert(recent_.end(), banks, at);
    while (int(recent_.size()) > kBurst.count * kBanks) recent_.pop_front();
    plan();
  }

  // Nothing can be late before this clock; later than the deadline by the clocks a precharge takes to be known.
  Clocks next() const { return next_ == kNone ? kNone : next_ + kBusClocks[PREPB]; }

  // Calls missed(name, command that was due, bank, deadline) for each deadline passed at `now`, once for each; bank -1:
  // none.
  template <typename Missed>
  void check(Clocks now, Missed missed) {
    const Clocks known = now - kBusClocks[PREPB];
    for (int bank = 0; bank < kBanks; ++bank) {
      if (const Clocks last = close_by(bank); last <= known) {
        missed(kRowOpen.name, PREPB, bank, last);
        opened_[bank] = {};
      }
      for (; refresh_by(bank) <= known; ++credit_[bank]) missed(kRefresh.name, REFPB, bank, refresh_by(bank));
    }
    if (const Clocks last = latch_by(); last <= known) {
      missed(kCalibration.name, ZQCAL_LATCH, -1, last);
      latched_ = kNone;
    }
    plan();
  }

  // Whether a bank that was never refreshed would be past its deadline.
  bool unrefreshed_is_late(Clocks now) const {
    return origin_ != kNone && age(now) >= (kRefresh.postponed + 1) * interval_;
  }

 private:
  struct Row {
    Clocks since = kNone;
    Clocks last = kNone;      // clock
    Clocks last_age = kNone;
  };
  static constexpr int kUnit = 16;  // of a clock's worth, at a quarter of the interval

  Clocks age(Clocks now) const { return origin_age_ + (now - origin_) * rate_; }
  Clocks clock_of(Clocks age) const { return origin_ + (age - origin_age_ + rate_ - 1) / rate_; }

  Clocks refresh_by(int bank) const {
    return origin_ == kNone ? kNone : clock_of((credit_[bank] + kRefresh.postponed + 1) * interval_);
  }
  Clocks close_by(int bank) const {
    const Row& row = opened_[bank];
    if (row.since == kNone) return kNone;
    const Clocks last = row.last_age == kNone ? row.last : std::min(row.last, clock_of(row.last_age));
    return last + kBusClocks[ACT] - kBusClocks[PREPB];  // from last edge to last edge
  }
  Clocks latch_by() const { return latched_ == kNone ? kNone : latched_ + calibration_span_; }

  void plan() {
    next_ = latch_by();
    for (int bank = 0; bank < kBanks; ++bank) next_ = std::min({next_, close_by(bank), refresh_by(bank)});
  }

  Clocks interval_, open_span_, calibration_span_;
  Clocks origin_, origin_age_ = 0;  // since when the interval is what it is, and the age then
  Clocks rate_ = 4;                 // age of a clock
  Clocks latched_, next_;
  std::array<Row, kBanks> opened_;
  std::array<Clocks, kBanks> credit_;
  std::deque<Clocks> recent_;       // ages of the latest refreshes, one for each bank
};

}  // namespace dojang::lpddr4
