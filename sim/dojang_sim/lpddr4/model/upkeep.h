// Deadlines: refreshes of each bank and the longest time a row may be open.
#pragma once
#include <algorithm>
#include <array>
#include <limits>

namespace dojang::lpddr4 {

class Upkeep {
 public:
  static constexpr Clocks kNone = std::numeric_limits<Clocks>::max();

  explicit Upkeep(const Spec& spec) : interval_(kRefresh.interval(spec)), open_span_(kRowOpen.span(spec)) { clear(); }

  void clear() {
    origin_ = kNone;
    next_ = kNone;
    opened_.fill(kNone);
    credit_.fill(0);
  }

  void start(Clocks now) {
    if (origin_ != kNone) return;
    origin_ = now;
    next_ = std::min(next_, due(0));
  }

  void open(int bank, Clocks now) {
    opened_[bank] = now;
    next_ = std::min(next_, now + open_span_);
  }

  void close(int bank) { opened_[bank] = kNone; }

  void refresh(int bank, Clocks now) {
    if (origin_ == kNone) return;
    credit_[bank] = std::min(credit_[bank] + 1, (now - origin_) / interval_ + kRefresh.postponed);
  }

  // Nothing can be late before this clock; later than the deadline by the clocks a precharge takes to be known.
  Clocks next() const { return next_ == kNone ? kNone : next_ + kBusClocks[PREPB]; }

  // Calls missed(name, command that was due, bank, deadline) for each deadline passed at `now`, once for each.
  template <typename Missed>
  void check(Clocks now, Missed missed) {
    const Clocks known = now - kBusClocks[PREPB];
    next_ = kNone;
    for (int bank = 0; bank < kBanks; ++bank) {
      if (opened_[bank] != kNone && opened_[bank] + open_span_ <= known) {
        missed(kRowOpen.name, PREPB, bank, opened_[bank] + open_span_);
        opened_[bank] = kNone;
      }
      for (; origin_ != kNone && due(bank) <= known; ++credit_[bank]) missed(kRefresh.name, REFPB, bank, due(bank));
      if (opened_[bank] != kNone) next_ = std::min(next_, opened_[bank] + open_span_);
      if (origin_ != kNone) next_ = std::min(next_, due(bank));
    }
  }

  // Whether a bank that was never refreshed would be past its deadline.
  bool unrefreshed_is_late(Clocks now) const {
    return origin_ != kNone && now >= origin_ + (kRefresh.postponed + 1) * interval_;
  }

 private:
  Clocks due(int bank) const { return origin_ + (credit_[bank] + kRefresh.postponed + 1) * interval_; }

  Clocks interval_, open_span_;
  Clocks origin_, next_;
  std::array<Clocks, kBanks> opened_, credit_;
};

}  // namespace dojang::lpddr4
