// The command line of the harness, and how it refuses.
//
//   --words N            size of the memory; its image is the file named by DOJANG_MEMORY_<--channel C>
//   --stream OP,ORDER,LENGTH,CHUNK,SHARE   part of a mix: read or write, sequential or random; without any: phases
//   --row N              words between rows of a bank, for random phases
//   --warmup N           commands before the window
//   --commands N         commands of the window
//   --stall N            chance in 1/256 that a stream stands still in a cycle (mixes only)
//   --seed N
//   --result FILE        figures as JSON, written if all is well
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "patterns.h"

[[noreturn]] inline void fail(const std::string& message) {
    fprintf(stderr, "%s\n", message.c_str());
    exit(1);
}

struct Options {
    uint64_t words = 0, row = 0, warmup = 0, commands = 1000, seed = 1, stall = 0;
    std::string channel, result;
    std::vector<Stream> streams;

    Options(int argc, char** argv) {
        for (int i = 1; i < argc; ++i) {
            const std::string name = argv[i];
            if (name[0] == '+') continue;  // for the model
            const char* value = ++i < argc ? argv[i] : "";
            if (name == "--stream") streams.push_back(stream(value));
            else if (name == "--channel") channel = value;
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
    uint64_t* number(const std::string& name) {
        const std::pair<const char*, uint64_t*> numbers[] = {
            {"--words", &words}, {"--row", &row}, {"--warmup", &warmup}, {"--commands", &commands}, {"--seed", &seed},
            {"--stall", &stall}};
        for (const auto& [known, value] : numbers)
            if (name == known) return value;
        return nullptr;
    }
};
