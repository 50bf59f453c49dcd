// Runs a board: clock, UART wires behind a pseudo-terminal, LEDs.
//
// The path of the pseudo-terminal is the first line on standard output. The end of standard input ends the simulation;
// then one line of JSON follows with what passed.
//   --clock-hz N          of the clock pin of the model
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

#include "Vboard_pins.h"
#include "serial_port.h"
#include "uart_pins.h"
#include "verilated.h"

namespace {

constexpr uint64_t kExchange = 64;           // clocks between looks at the pseudo-terminal
constexpr uint64_t kAnswered = 1 << 14;      // silent clocks behind an answer, after which the host has the word …
constexpr int kNap = 20;                     // … and the simulation rests, in milliseconds, for …
constexpr uint64_t kSlice = 1 << 12;         // … every so many clocks.
constexpr uint64_t kForgotten = 1ull << 24;  // silent clocks after which time stands still until the host speaks
constexpr int kLong = 500;

uint64_t option(int argc, char** argv, const char* name, uint64_t otherwise) {
    for (int i = 1; i + 1 < argc; ++i)
        if (!strcmp(argv[i], name)) return std::stoull(argv[i + 1]);
    return otherwise;
}

bool parent_gone() {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    char ignored;
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &ignored, 1) <= 0;
}

}  // namespace

int main(int argc, char** argv) {
    VerilatedContext context;
    context.commandArgs(argc, argv);
    BitTime time(option(argc, argv, "--clock-hz", 1));
    SerialPort port;
    if (!port.open()) {
        fprintf(stderr, "dojang: no pseudo-terminal: %s\n", strerror(errno));
        return 1;
    }
    printf("%s\n", port.path().c_str());
    fflush(stdout);

    Vboard_pins top{&context};
    LineDriver to_chip(time);
    LineReceiver from_chip(time);
    uint64_t clocks = 0, received = 0, sent = 0, bad_stops = 0, last_activity = 0;
    bool chip_spoke_last = false, waited = false;
    const auto started = std::chrono::steady_clock::now();
    const auto seconds = [](auto from) {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
    };
    time.set_baud(port.baud());

    while (!context.gotFinish()) {
        if (clocks % kExchange == 0) {
            const uint64_t silent = clocks - last_activity;
            int milliseconds = 0;
            if (silent > kForgotten) milliseconds = kLong;
            else if (chip_spoke_last && silent > kAnswered && clocks % kSlice == 0) milliseconds = kNap;
            if (milliseconds) {
                if (parent_gone()) break;
                port.exchange(milliseconds);
            } else {
                port.exchange(0);
                if (clocks % (1 << 16) == 0 && parent_gone()) break;
            }
            waited = milliseconds == kLong;
            if (to_chip.idle() && !from_chip.busy()) time.set_baud(port.baud());
            if (waited && port.empty()) continue;
        }
        if (to_chip.idle() && !port.empty()) {
            to_chip.begin(port.take());
            ++received;
        }
        if (!to_chip.idle()) {
            last_activity = clocks;
            chip_spoke_last = false;
        }
        top.clk = 0;
        top.uart_rx = to_chip.level();
        top.eval();
        top.clk = 1;
        top.eval();
        context.timeInc(2);
        ++clocks;
        const auto event = from_chip.sample(top.uart_tx);
        if (event != LineReceiver::Event::kNone) {
            const bool bad = event == LineReceiver::Event::kBadStop;
            port.give(bad ? 0 : from_chip.byte());  // as a terminal in raw mode has it
            ++sent;
            bad_stops += bad;
            last_activity = clocks;
            chip_spoke_last = true;
        }
    }
    top.final();
    printf("{\"clocks\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, \"bytes_to_chip\": %llu, "
           "\"bytes_from_chip\": %llu, \"bad_stop_bits\": %llu, \"baud\": %llu, \"leds\": %llu}\n",
           (unsigned long long)clocks, seconds(started), double(clock()) / CLOCKS_PER_SEC, (unsigned long long)received,
           (unsigned long long)sent, (unsigned long long)bad_stops, (unsigned long long)time.baud(),
           (unsigned long long)top.leds);
    return 0;
}
