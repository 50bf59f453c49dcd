// Drives a port, judges what comes back, and counts in the window.
#pragma once

#include <cstring>
#include <memory>

#include "Vtraffic_top.h"
#include "guarded.h"
#include "history.h"
#include "options.h"
#include "patterns.h"
#include "pins.h"
#include "report.h"
#include "shadow.h"
#include "window.h"

inline constexpr size_t kAhead = 16;             // commands prepared: so far may write words run ahead of theirs
inline constexpr uint64_t kStartup = 4'000'000;  // cycles until the first word: initialisation takes 2.2 ms
inline constexpr uint64_t kHang = 20'000;        // cycles without any transfer
inline constexpr uint64_t kBusy = 1'000'000;     // cycles in which the memory looks after what was written

class Traffic {
 public:
    Traffic(const Options& options, Word* image, Vtraffic_top& top, const Pins& pins)
        : top_(top), pins_(pins), random_(options.seed), shadow_(options.words, image, options.contents),
          warmup_(1 + options.warmup), total_(1 + options.warmup + options.commands), stall_(options.stall),
          reset_(options.reset), quiet_(options.quiet), tolerant_(options.tolerate), pokes_(options.pokes), ended_(kCounters.size()) {
        if (!shadow_.good()) fail("no model of " + std::to_string(options.words) + " words can be made");
        if (options.tile)
            generator_ = std::make_unique<GuardedPhases>(options.tiles, options.clusters, options.tile, options.few,
                                                         random_);
        else if (options.streams.empty())
            generator_ = std::make_unique<Phases>(options.words, options.row, random_);
        else
            generator_ = std::make_unique<Mix>(options.streams, options.words, random_);
    }

    bool reset_is_due() const { return reset_ && started_ && cycle_ == started_ + reset_; }

    // What was on its way is lost. Then every cluster that was written is read: what it holds is what it may hold.
    void restart() {
        const Counts now = counts(top_);
        for (size_t i = 0; i < now.size(); ++i) ended_[i] += now[i];
        commands_.clear();
        writes_.clear();
        expected_.clear();
        pins_.command_valid = pins_.write_valid = 0;
        taken_ = prepared_;
        opened_ = running_ = false;
        recovered_ = history_.clusters();
        moved_ = cycle_;
    }

    // Inputs of the cycle. What is offered stays until it is taken.
    void drive() {
        if (!opened_) open();
        if (opened_ && !running_ && expected_.empty()) {
            history_.clear();
            running_ = true;
        }
        while (running_ && prepared_ < total_ && commands_.size() < kAhead) {
            poke(prepared_);
            prepare(generator_->next());
            ++prepared_;
        }
        const Stalls stalls = commands_.empty() ? Stalls{} : commands_.front().stalls;
        if (!pins_.command_valid && !commands_.empty()) {
            Command& command = commands_.front();
            if (command.gap) {
                --command.gap;
                moved_ = cycle_;
            } else if (!random_.chance(stalls.command)) {
                pins_.command_valid = 1;
                pins_.command_write = command.write;
                pins_.command_addr = command.addr;
                pins_.command_length = command.length;
            }
        }
        if (!pins_.write_valid && !writes_.empty() && !random_.chance(stalls.write)) {
            pins_.write_valid = 1;
            memcpy(&pins_.write_data, &writes_.front().data, sizeof(Word));
            pins_.write_mask = writes_.front().mask;
        }
        pins_.read_ready = !random_.chance(stalls.read);
    }

    // Transfers of the cycle; called before the rising edge.
    void sample() {
        ++cycle_;
        const bool command = pins_.command_valid && pins_.command_ready;
        const bool write = pins_.write_valid && pins_.write_ready;
        const bool read = pins_.read_valid && pins_.read_ready;
        command_taken_ = command;
        write_taken_ = write;
        const bool counted = command && commands_.front().counted;
        taken_ += counted;
        if (counted && taken_ == warmup_ + 1) window_.toggle(top_);
        window_.count(cycle_, read, write);
        if (counted && taken_ == total_) window_.toggle(top_);
        if (command) commands_.pop_front();
        if (write) writes_.pop_front();
        if (read) {
            if (!started_) started_ = cycle_;
            Word word;
            memcpy(&word, &pins_.read_data, sizeof(Word));
            judge(word);
        }
        if (command || write || read) moved_ = cycle_;
        if (!pins_.busy) rested_ = cycle_;
    }

    // After the rising edge: what was taken is no longer offered.
    void release() {
        if (command_taken_) pins_.command_valid = 0;
        if (write_taken_) pins_.write_valid = 0;
    }

    // False at the end of all traffic and the quiet after it; fails if nothing moves.
    bool going() const {
        const uint64_t silence = cycle_ - moved_, busy = cycle_ - std::max(moved_, rested_);
        if (running_ && taken_ == total_ && writes_.empty() && expected_.empty()) {
            if (busy > kBusy) fail("the memory is still busy " + std::to_string(busy) + " cycles after all commands");
            return pins_.busy || silence < quiet_;
        }
        if (silence > (started_ ? kHang : kStartup))
            fail("nothing moved for " + std::to_string(silence) + " cycles before cycle " + std::to_string(cycle_) +
                 ": " + std::to_string(taken_) + " of " + std::to_string(total_) + " commands were taken, " +
                 std::to_string(expected_.size()) + " words to be read and " + std::to_string(writes_.size()) +
                 " words to be written are waited for");
        return true;
    }

    void check_image() const {
        const uint64_t at = shadow_.first_difference();
        if (at == shadow_.words()) return;
        char addr[24];
        snprintf(addr, sizeof addr, "0x%llx", (unsigned long long)at);
        fail(std::string("at the end the image does not hold what was written to address ") + addr);
    }

    Tally tally() const {
        return {total_ - warmup_, window_.first, window_.last, window_.read, window_.written, started_, cycle_,
                expected_.taken(), wrong_};
    }
    const Counts& window_counters() const { return window_.counters; }
    Counts all_counters() const {
        Counts all = counts(top_);
        for (size_t i = 0; i < all.size(); ++i) all[i] += ended_[i];
        return all;
    }

 private:
    struct Write {
        Word data;
        uint16_t mask;
    };

    // The first word tells that the memory has been initialised.
    void open() {
        poke(0);
        Command command = generator_->first();
        command.counted = prepared_ == 0;
        prepare(command);
        prepared_ += command.counted;
        for (const uint32_t addr : recovered_) prepare({false, addr, History::kCluster, 0, false, {}, false});
        opened_ = true;
    }

    void poke(uint64_t before) {
        for (const Poke& poke : pokes_) {
            if (poke.before != before) continue;
            commands_.push_back({true, poke.addr, 1, 0, false, {}, false});
            writes_.push_back({poke.word, 0xFFFF});
        }
    }

    void judge(const Word& word) {
        const bool asked = !expected_.empty();
        const uint32_t addr = asked ? expected_.next() : 0;
        std::string wrong = expected_.take(word);
        if (asked && !running_ && history_.knows(addr)) {
            if (history_.narrow(addr, word)) wrong.clear();
            shadow_.replace(addr, word);
        }
        if (wrong.empty()) return;
        if (!asked || !tolerant_) fail("cycle " + std::to_string(cycle_) + ": " + wrong);
        ++wrong_;
    }

    // The model executes the command; its words wait to be offered or to come back.
    void prepare(Command command) {
        if (stall_) command.stalls = {uint8_t(stall_), uint8_t(stall_), uint8_t(stall_)};
        shadow_.prepare(command.addr, command.length);
        for (uint32_t at = command.addr; at < command.addr + command.length; ++at) {
            if (!command.write) {
                expected_.push(at, shadow_.read(at));
                continue;
            }
            const Write write{{random_.bits(), random_.bits()}, uint16_t(command.masked ? random_.bits() : 0xFFFF)};
            if (reset_ && !history_.knows(at)) history_.note(at, shadow_);
            shadow_.write(at, write.data, write.mask);
            if (reset_) history_.note(at, shadow_);
            writes_.push_back(write);
        }
        commands_.push_back(command);
    }

    Vtraffic_top& top_;
    const Pins pins_;
    Random random_;
    Shadow shadow_;
    const uint64_t warmup_, total_, stall_, reset_, quiet_;
    const bool tolerant_;
    const std::vector<Poke> pokes_;
    std::unique_ptr<Generator> generator_;
    std::deque<Command> commands_;
    std::deque<Write> writes_;
    Expected expected_;
    Window window_;
    History history_;
    std::vector<uint32_t> recovered_;  // clusters to be looked at after a reset
    Counts ended_;                     // before it
    bool opened_ = false;              // the opening commands have been prepared
    bool running_ = false;             // and answered
    bool command_taken_ = false, write_taken_ = false;
    uint64_t cycle_ = 0, moved_ = 0, started_ = 0, prepared_ = 0, taken_ = 0;
    uint64_t rested_ = 0, wrong_ = 0;
};
