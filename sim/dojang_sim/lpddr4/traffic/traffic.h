// Drives the port, judges what comes back, and counts in the window.
#pragma once

#include <cstring>
#include <memory>

#include "Vtraffic_top.h"
#include "options.h"
#include "patterns.h"
#include "shadow.h"

inline constexpr size_t kAhead = 16;             // commands prepared: so far may write words run ahead of theirs
inline constexpr uint64_t kStartup = 4'000'000;  // cycles until the first word: initialisation takes 2.2 ms
inline constexpr uint64_t kHang = 20'000;        // cycles without any transfer
inline constexpr uint64_t kQuiet = 4'096;        // cycles after the last word: none may follow, writes must land

struct Counter {
    const char* name;
    uint64_t (*value)(const Vtraffic_top&);
};
inline const std::vector<Counter> kCounters{
#define COUNTER(name) {#name, [](const Vtraffic_top& top) -> uint64_t { return top.counter_##name; }},
#include "counters.inc"
};

// Cycles and words from the first to the last transfer of the window. Counters: where they were at its start, then how
// far they went.
struct Window {
    bool open = false;
    uint64_t first = 0, last = 0, read = 0, written = 0;
    std::vector<uint64_t> counters = std::vector<uint64_t>(kCounters.size());

    void count(uint64_t cycle, bool reads, bool writes) {
        if (!open || !(reads || writes)) return;
        if (!read && !written) first = cycle;
        last = cycle;
        read += reads;
        written += writes;
    }
    void toggle(const Vtraffic_top& top) {
        for (size_t i = 0; i < kCounters.size(); ++i) counters[i] = kCounters[i].value(top) - counters[i];
        open = !open;
    }
};

class Traffic {
 public:
    Traffic(const Options& options, Word* image, Vtraffic_top& top)
        : top_(top), random_(options.seed), shadow_(options.words, image), warmup_(1 + options.warmup),
          total_(1 + options.warmup + options.commands), stall_(options.stall) {
        if (!shadow_.good()) fail("no address space for a model of " + std::to_string(options.words) + " words");
        if (options.streams.empty()) generator_ = std::make_unique<Phases>(options.words, options.row, random_);
        else generator_ = std::make_unique<Mix>(options.streams, options.words, random_);
    }

    // Inputs of the cycle. What is offered stays until it is taken.
    void drive() {
        if (prepared_ == 0) prepare({false, 0, 1, 0, false, {}});
        while (expected_.taken() && prepared_ < total_ && commands_.size() < kAhead) prepare(generator_->next());
        const Stalls stalls = commands_.empty() ? Stalls{} : commands_.front().stalls;
        if (!top_.command_valid && !commands_.empty()) {
            Command& command = commands_.front();
            if (command.gap) {
                --command.gap;
                moved_ = cycle_;
            } else if (!random_.chance(stalls.command)) {
                top_.command_valid = 1;
                top_.command_write = command.write;
                top_.command_addr = command.addr;
                top_.command_length = command.length;
            }
        }
        if (!top_.write_valid && !writes_.empty() && !random_.chance(stalls.write)) {
            top_.write_valid = 1;
            memcpy(&top_.write_data, &writes_.front().data, sizeof(Word));
            top_.write_mask = writes_.front().mask;
        }
        top_.read_ready = !random_.chance(stalls.read);
    }

    // Transfers of the cycle; called before the rising edge.
    void sample() {
        ++cycle_;
        const bool command = top_.command_valid && top_.command_ready;
        const bool write = top_.write_valid && top_.write_ready;
        const bool read = top_.read_valid && top_.read_ready;
        command_taken_ = command;
        write_taken_ = write;
        taken_ += command;
        if (command && taken_ == warmup_ + 1) window_.toggle(top_);
        window_.count(cycle_, read, write);
        if (command && taken_ == total_) window_.toggle(top_);
        if (command) commands_.pop_front();
        if (write) writes_.pop_front();
        if (read) {
            if (!started_) started_ = cycle_;
            Word word;
            memcpy(&word, &top_.read_data, sizeof(Word));
            if (const std::string wrong = expected_.take(word); !wrong.empty())
                fail("cycle " + std::to_string(cycle_) + ": " + wrong);
        }
        if (command || write || read) moved_ = cycle_;
    }

    // After the rising edge: what was taken is no longer offered.
    void release() {
        if (command_taken_) top_.command_valid = 0;
        if (write_taken_) top_.write_valid = 0;
    }

    // False at the end of all traffic and the quiet after it; fails if nothing moves.
    bool going() const {
        const uint64_t silence = cycle_ - moved_;
        if (taken_ == total_ && writes_.empty() && expected_.empty()) return silence < kQuiet;
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

    void report(const std::string& path) const {
        FILE* file = fopen(path.c_str(), "w");
        if (!file) fail("cannot write " + path);
        fprintf(file, "{\"commands\": %llu, \"cycles\": %llu, \"words_read\": %llu, \"words_written\": %llu, "
                "\"startup_cycles\": %llu, \"all_cycles\": %llu, \"all_words_read\": %llu, \"counters\": {",
                (unsigned long long)(total_ - warmup_), (unsigned long long)(window_.last - window_.first + 1),
                (unsigned long long)window_.read, (unsigned long long)window_.written, (unsigned long long)started_,
                (unsigned long long)cycle_, (unsigned long long)expected_.taken());
        for (size_t i = 0; i < kCounters.size(); ++i)
            fprintf(file, "%s\"%s\": %llu", i ? ", " : "", kCounters[i].name, (unsigned long long)window_.counters[i]);
        fprintf(file, "}}\n");
        fclose(file);
    }

 private:
    struct Write {
        Word data;
        uint16_t mask;
    };

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
            shadow_.write(at, write.data, write.mask);
            writes_.push_back(write);
        }
        commands_.push_back(command);
        ++prepared_;
    }

    Vtraffic_top& top_;
    Random random_;
    Shadow shadow_;
    const uint64_t warmup_, total_, stall_;
    std::unique_ptr<Generator> generator_;
    std::deque<Command> commands_;
    std::deque<Write> writes_;
    Expected expected_;
    Window window_;
    bool command_taken_ = false, write_taken_ = false;
    uint64_t cycle_ = 0, moved_ = 0, started_ = 0, prepared_ = 0, taken_ = 0;
};
