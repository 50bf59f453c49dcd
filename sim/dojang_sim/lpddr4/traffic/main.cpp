// Drives the memory ports of traffic_top, compares every word that is read and counts cycles. One word is read before
// all else at each: it comes when the memory has been initialised.
//
// Exit code 1 with one line on standard error if a word is wrong, missing or one too many, or nothing moves any more.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "Vtraffic_top.h"
#include "options.h"
#include "pins.h"
#include "report.h"
#include "traffic.h"
#include "verilated.h"

namespace {

Word* map_image(const Options& options, int port) {
    const std::string variable = "DOJANG_MEMORY_" + std::to_string(options.channel + port);
    const char* path = getenv(variable.c_str());
    if (!path) fail("environment variable " + variable + " does not name an image file");
    const int file = open(path, O_RDWR);
    struct stat status;
    if (file < 0 || fstat(file, &status) || uint64_t(status.st_size) < options.words * sizeof(Word))
        fail(std::string("image ") + path + " cannot be opened, or is smaller than the memory");
    void* memory = mmap(nullptr, options.words * sizeof(Word), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED) fail(std::string("image ") + path + " cannot be mapped");
    close(file);
    return static_cast<Word*>(memory);
}

}  // namespace

int main(int argc, char** argv) {
    VerilatedContext context;
    context.commandArgs(argc, argv);
    Vtraffic_top top{&context};
    std::vector<std::unique_ptr<Traffic>> ports;
    for (const Pins& pins : pins_of(top)) {
        const int port = int(ports.size());
        const Options options(argc, argv, port);
        Word* image = options.contents.empty() ? map_image(options, port) : nullptr;
        ports.push_back(std::make_unique<Traffic>(options, image, top, pins));
    }
    const auto half = [&](bool level) {
        top.clk = level;
        top.eval();
        context.timeInc(1);
    };
    const auto reset = [&] {
        for (int cycle = 0; cycle < 16; ++cycle) {
            top.rst = cycle < 8;
            half(false);
            half(true);
        }
    };
    const auto going = [&] {
        bool any = false;
        for (const auto& port : ports) any |= port->going();
        return any;
    };
    reset();
    while (going()) {
        if (ports[0]->reset_is_due()) {
            for (const auto& port : ports) port->restart();
            reset();
        }
        for (const auto& port : ports) port->drive();
        half(false);
        for (const auto& port : ports) port->sample();
        half(true);
        for (const auto& port : ports) port->release();
        if (context.gotFinish()) fail("the model ended the simulation");
    }
    std::vector<Tally> tallies;
    for (const auto& port : ports) {
        port->check_image();
        tallies.push_back(port->tally());
    }
    top.final();
    write_report(Options(argc, argv, 0).result, tallies, ports[0]->window_counters(), ports[0]->all_counters());
    return 0;
}
