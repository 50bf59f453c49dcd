// The command line of the harness, and how it refuses.
//
//   --port N             what follows is for the port of this number only; what is before, for all of them
//   --words N            size of a port's memory; its image is the file named by DOJANG_MEMORY_<--channel C + port>
//   --stream OP,ORDER,LENGTH,CHUNK,SHARE   part of a mix: read or write, sequential or random; without any: phases
//   --row N              words between rows of a bank, for random phases
//   --warmup N           commands before the window
//   --commands N         commands of the window
//   --stall N            chance in 1/256 that a stream stands still in a cycle (mixes only)
//   --seed N
//   --contents FILE      the words at first, in the end what they should be; the image is somebody else's
//   --tiles FIRST,WORDS --clusters FIRST,WORDS --tile N --short N   random phases for a guarded memory
//   --poke N,ADDR,WORD   before the N-th command, from 0, WORD (32 digits) is written to a register
//   --reset N            so many cycles after the first word all is reset; 0: never
//   --quiet N            cycles after the last word until the end: none may follow, writes must land
//   --tolerate N         1: wrong words are counted and end nothing
//   --result FILE        figures as JSON, written if all is well
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "guarded.h"
#include "patterns.h"

[[noreturn]] inline void fail(const std::string& message) {
    fprintf(stderr, "%s\n", message.c_str());
    exit(1);
}

struct Poke {
    uint64_t before;  // command
    uint32_t addr;
    Word word;
};

struct Options {
    uint64_t words = 0, row = 0, warmup = 0, commands = 1000, seed = 1, stall = 0, tile = 0, reset = 0, tolerate = 0;
    uint64_t quiet = 4'096, few = 0, channel = 0;
    std::string contents, result;
    std::vector<Stream> streams;
    std::vector<Region> tiles;
    Region clusters{};
    std::vector<Poke> pokes;

    // Those of port `port`.
    Options(int argc, char** argv, int port) {
        bool mine = true;
        for (int i = 1; i < argc; ++i) {
            const std::string name = argv[i];
            if (name[0] == '+') continue;  // for the model
            const char* value = ++i < argc ? argv[i] : "";
            if (name == "--port") mine = atoi(value) == port;
            else if (!mine) continue;
            else if (name == "--stream") streams.push_back(stream(value));
            else if (name == "--tiles") tiles.push_back(region(value));
            else if (name == "--clusters") clusters = region(value);
            else if (name == "--poke") pokes.push_back(poke(value));
            else if (name == "--contents") contents = value;
            else if (name == "--result") result = value;
            else if (uint64_t* number = this->number(name)) *number = strtoull(value, nullptr, 0);
            else fail("option " + name + " is not known");
        }
    }

 private:
    static Stream stream(const char* value) {
        char op[8], order[12];
        Stream stream{};
        if (sscanf(value, "%7[^,],%11[^,],%u,%u,%u", op, order, &stream.length, &stream.chunk, &stream.share) != 5)
            fail(std::string("stream ") + value + ", expected OP,ORDER,LENGTH,CHUNK,SHARE");
        stream.write = !strcmp(op, "write");
        stream.random = !strcmp(order, "random");
        return stream;
    }
    static Region region(const char* value) {
        Region region{};
        if (sscanf(value, "%u,%u", &region.first, &region.words) != 2)
            fail(std::string("region ") + value + ", expected FIRST,WORDS");
        return region;
    }
    static Poke poke(const char* value) {
        unsigned long long before, high, low;
        uint32_t addr;
        if (sscanf(value, "%llu,%u,%16llx%16llx", &before, &addr, &high, &low) != 4)
            fail(std::string("poke ") + value + ", expected N,ADDR,WORD");
        return {before, addr, {low, high}};
    }
    uint64_t* number(const std::string& name) {
        const std::pair<const char*, uint64_t*> numbers[] = {
            {"--words", &words}, {"--row", &row}, {"--warmup", &warmup}, {"--commands", &commands}, {"--seed", &seed},
            {"--stall", &stall}, {"--tile", &tile}, {"--reset", &reset}, {"--tolerate", &tolerate},
            {"--quiet", &quiet}, {"--short", &few}, {"--channel", &channel}};
        for (const auto& [known, value] : numbers)
            if (name == known) return value;
        return nullptr;
    }
};
