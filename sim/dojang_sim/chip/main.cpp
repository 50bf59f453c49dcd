// Runs the simulated chip: standard input and output are the host link, one byte per clock at most.
//
// While nothing runs and the link is silent the clock stands still, so waiting costs no time.
//   --stats FILE         where to write cycles and seconds at the end
//   --trace FILE         waveform (models built for tracing only)
//   --trace-cycles N     cycles to record while the chip runs
//   --events FILE        what the taps show while the chip runs (models built for profiling only)
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "Vchip_top.h"
#include "verilated.h"
#ifdef DOJANG_TRACE
#include DOJANG_TRACE
#endif
#ifdef DOJANG_PROFILE
#include "sampler.h"
#endif

namespace {

constexpr uint64_t kPollInterval = 2048;  // cycles between looks at standard input while running
constexpr uint64_t kQuiet = 4096;         // silent cycles after which the clock stops
constexpr uint64_t kPause = 64;           // silent cycles after which an answer is complete: the host has the word
constexpr size_t kBuffer = 1 << 16;

class Link {
 public:
    // Reads what is there; waits for it if `block`. False at the end of input.
    bool fill(bool block) {
        pollfd descriptor{STDIN_FILENO, POLLIN, 0};
        if (poll(&descriptor, 1, block ? -1 : 0) <= 0) return true;
        uint8_t chunk[kBuffer];
        ssize_t count = read(STDIN_FILENO, chunk, sizeof chunk);
        if (count <= 0) return false;
        in_.erase(in_.begin(), in_.begin() + at_);
        at_ = 0;
        in_.insert(in_.end(), chunk, chunk + count);
        return true;
    }
    bool waiting() const { return at_ < in_.size(); }
    uint8_t head() const { return in_[at_]; }
    void take() { ++at_; }
    void give(uint8_t byte) { out_.push_back(byte); }
    bool pending() const { return !out_.empty(); }
    void flush() {
        size_t done = 0;
        while (done < out_.size()) {
            ssize_t count = write(STDOUT_FILENO, out_.data() + done, out_.size() - done);
            if (count <= 0) break;
            done += count;
        }
        out_.clear();
    }

 private:
    std::vector<uint8_t> in_, out_;
    size_t at_ = 0;
};

std::string option(int argc, char** argv, const char* name, const char* otherwise) {
    for (int i = 1; i + 1 < argc; ++i)
        if (!strcmp(argv[i], name)) return argv[i + 1];
    return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
    VerilatedContext context;
    context.commandArgs(argc, argv);
    const std::string stats = option(argc, argv, "--stats", "");
#ifdef DOJANG_TRACE
    const std::string trace = option(argc, argv, "--trace", "");
    uint64_t trace_left = std::stoull(option(argc, argv, "--trace-cycles", "20000"));
    context.traceEverOn(true);
#endif
    Vchip_top top{&context};
#ifdef DOJANG_TRACE
    DOJANG_TRACE_TYPE waves;
    if (!trace.empty()) {
        top.trace(&waves, 99);
        waves.open(trace.c_str());
    }
#endif
#ifdef DOJANG_PROFILE
    profile::Sampler sampler(context, option(argc, argv, "--events", ""));
#endif
    Link link;
    uint64_t cycles = 0, running_cycles = 0, last_activity = 0, last_sent = 0, last_busy = 0, next_poll = 0;
    double running_seconds = 0;
    bool was_running = false, open = true, answered = true;  // the host speaks first: no cycle goes by before it has
    auto started = std::chrono::steady_clock::now();

    top.rst = 1;
    top.tx_ready = 1;
    while (true) {
        if (cycles == 8) top.rst = 0;
        top.clk = 0;
        top.rx_valid = link.waiting() && cycles > 16;
        if (top.rx_valid) top.rx_payload = link.head();
        top.eval();
        const bool received = top.rx_valid && top.rx_ready;
        const bool sent = top.tx_valid;
        if (sent) link.give(top.tx_payload);
        const bool running = top.running;
#ifdef DOJANG_PROFILE
        sampler.sample(running);
#endif
#ifdef DOJANG_TRACE
        const bool record = !trace.empty() && running && trace_left;
        if (record) waves.dump(context.time());
#endif
        context.timeInc(1);
        top.clk = 1;
        top.eval();
#ifdef DOJANG_TRACE
        if (record) {
            waves.dump(context.time());
            --trace_left;
        }
#endif
        context.timeInc(1);
        if (received) link.take();
        if (received || sent || running || top.answering) last_activity = cycles;
        if (running != was_running) {
            const auto now = std::chrono::steady_clock::now();
            if (running) started = now;
            else running_seconds += std::chrono::duration<double>(now - started).count();
            was_running = running;
        }
        running_cycles += running;
        ++cycles;
        if (context.gotFinish()) break;
        if (sent) last_sent = cycles;
        if (received) answered = false;
        if (top.answering) last_busy = cycles;
        if (link.pending() && cycles - last_sent > kPause) {
            link.flush();
            answered = true;
        }
        const bool idle = answered && !running && !link.pending() && cycles - last_busy > kPause;
        const bool quiet = (idle || cycles - last_activity > kQuiet) && !link.waiting();
        if (quiet || cycles >= next_poll) {
            link.flush();
            if (!open) {
                if (quiet || !running) break;
            } else if (!link.waiting()) {
                open = link.fill(quiet);
                if (quiet) last_activity = cycles;
            }
            next_poll = cycles + kPollInterval;
        }
    }
    link.flush();
    if (!stats.empty()) {
        if (FILE* file = fopen(stats.c_str(), "w")) {
            fprintf(file, "{\"cycles\": %llu, \"running_cycles\": %llu, \"running_seconds\": %.6f}\n",
                    (unsigned long long)cycles, (unsigned long long)running_cycles, running_seconds);
            fclose(file);
        }
    }
    top.final();
    return 0;
}
