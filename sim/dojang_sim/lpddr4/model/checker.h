// State, timing and window rules of the table, as checker.py applies them.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

namespace dojang::lpddr4 {

constexpr Clocks kNoWait = -1;  // "earliest" where no wait makes the command legal

struct Verdict {
  bool ok;
  Clocks earliest;
  const char* rule;  // broken or binding; null if none
};

inline bool contains(Codes set, Code code) { return set >> code & 1; }

class Checker {
 public:
  explicit Checker(const Spec& spec) {
    for (auto& times : last_) times.fill(kNever);
    for (const TimingRule& rule : kTiming)
      for (int after = 0; after < kCodes; ++after) {
        if (!contains(rule.after, Code(after))) continue;
        const bool anywhere = rule.any_bank || contains(kAllBank, Code(after));
        for (int before = 0; before < kCodes; ++before)
          if (contains(rule.before, Code(before)))
            bounds_[after].push_back({&rule, before, anywhere, rule.distance(spec), rule.when.mode_register < 0});
      }
    for (const WindowRule& rule : kWindows) windows_.push_back({rule, rule.span(spec), {}});
  }

  bool open(int bank) const { return open_[bank]; }

  // First legal tCK of the command as things stand, 0 if nothing binds.
  Verdict bound(Code code, int bank) const {
    for (const StateRule& rule : kStates)
      if (contains(rule.commands, code) && !in_state(rule.open, code, bank)) return {false, kNoWait, rule.name};
    Verdict verdict{true, 0, nullptr};
    for (const Bound& bound : bounds_[code]) {
      const Clocks start = last_[bound.before][bound.anywhere ? kAnyBank : bank];
      if (bound.holds && start != kNever && start + bound.distance > verdict.earliest)
        verdict = {true, start + bound.distance, bound.rule->name};
    }
    for (const Window& window : windows_) {
      if (!contains(window.rule.commands, code) || int(window.ends.size()) < window.rule.count) continue;
      const Clocks start = window.ends.front() + window.span - kBusClocks[code];
      if (start > verdict.earliest) verdict = {true, start, window.rule.name};
    }
    return verdict;
  }

  // What an MRW that was applied has written.
  void write_mode(int mode_register, int operand) {
    for (auto& bounds : bounds_)
      for (Bound& bound : bounds)
        if (bound.rule->when.mode_register == mode_register) bound.holds = operand & bound.rule->when.mask;
  }

  // Judges the command with its first clock edge at `time`; applies it if it is legal.
  Verdict issue(Clocks time, Code code, int bank) {
    Verdict verdict = bound(code, bank);
    verdict.ok = verdict.ok && time >= verdict.earliest;
    if (!verdict.ok) return verdict;
    verdict.earliest = time;
    apply(time, code, bank);
    return verdict;
  }

  void apply(Clocks time, Code code, int bank) {
    last_[code][kAnyBank] = time;
    const bool all = contains(kAllBank, code);
    for (int addressed = all ? 0 : bank; addressed < (all ? kBanks : bank + 1); ++addressed) {
      last_[code][addressed] = time;
      if (contains(kOpening | kClosing, code)) open_[addressed] = contains(kOpening, code);
    }
    for (Window& window : windows_) {
      if (!contains(window.rule.commands, code)) continue;
      if (int(window.ends.size()) == window.rule.count) window.ends.erase(window.ends.begin());
      window.ends.push_back(time + kBusClocks[code]);
    }
  }

 private:
  static constexpr Clocks kNever = -1;
  static constexpr int kAnyBank = kBanks;

  struct Bound {
    const TimingRule* rule;
    int before;
    bool anywhere;
    Clocks distance;
    bool holds;
  };

  struct Window {
    WindowRule rule;
    Clocks span;
    std::vector<Clocks> ends;  // first clock after the last edge, of the latest commands
  };

  bool in_state(bool wanted, Code code, int bank) const {
    if (!contains(kAllBank, code)) return open_[bank] == wanted;
    return std::all_of(open_.begin(), open_.end(), [&](bool state) { return state == wanted; });
  }

  std::array<bool, kBanks> open_{};
  std::array<std::array<Clocks, kBanks + 1>, kCodes> last_;  // start of the last command of a kind
  std::array<std::vector<Bound>, kCodes> bounds_;
  std::vector<Window> windows_;
};

}  // namespace dojang::lpddr4
