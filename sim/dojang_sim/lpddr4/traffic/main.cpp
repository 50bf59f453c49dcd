// Drives the memory port of traffic_top, compares every word that is read and counts cycles. One word is read before
// all else: it comes when the memory has been initialised.
//
// Exit code 1 with one line on standard error if a word is wrong, missing or one too many, or nothing moves any more.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "Vtraffic_top.h"
#include "options.h"
#include "traffic.h"
#include "verilated.h"

namespace {

Word* map_image(const Options& options) {
    const std::string variable = "DOJANG_MEMORY_" + options.channel;
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
    const Options options(argc, argv);
    Vtraffic_top top{&context};
    Traffic traffic(options, options.contents.empty() ? map_image(options) : nullptr, top);
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
    reset();
    while (traffic.going()) {
        if (traffic.reset_is_due()) {
            traffic.restart();
            reset();
        }
        traffic.drive();
        half(false);
        traffic.sample();
        half(true);
        traffic.release();
        if (context.gotFinish()) fail("the model ended the simulation");
    }
    traffic.check_image();
    top.final();
    traffic.report(options.result);
    return 0;
}
