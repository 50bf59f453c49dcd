// The figures of a run as JSON.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "options.h"
#include "window.h"

// What a port did; `first` and `last` cycle, `read` and `written` words are of its window.
struct Tally {
    uint64_t commands, first, last, read, written, started, cycles, all_read, wrong;
};

// The window of all is from the first word of any port to the last one of any.
inline void write_report(const std::string& path, const std::vector<Tally>& ports, const Counts& window,
                         const Counts& all) {
    FILE* file = fopen(path.c_str(), "w");
    if (!file) fail("cannot write " + path);
    const auto print = [&](const char* name, uint64_t value, const char* after) {
        fprintf(file, "\"%s\": %llu%s", name, (unsigned long long)value, after);
    };
    Tally sum = ports[0];
    for (size_t port = 1; port < ports.size(); ++port) {
        const Tally& other = ports[port];
        sum = {sum.commands + other.commands, std::min(sum.first, other.first), std::max(sum.last, other.last),
               sum.read + other.read, sum.written + other.written, std::max(sum.started, other.started),
               sum.cycles, sum.all_read + other.all_read, sum.wrong + other.wrong};
    }
    fprintf(file, "{");
    print("commands", sum.commands, ", ");
    print("cycles", sum.last - sum.first + 1, ", ");
    print("words_read", sum.read, ", ");
    print("words_written", sum.written, ", ");
    print("startup_cycles", sum.started, ", ");
    print("all_cycles", sum.cycles, ", ");
    print("all_words_read", sum.all_read, ", ");
    print("wrong_words", sum.wrong, ", \"ports\": [");
    for (const Tally& port : ports) {
        fprintf(file, "%s{", &port == &ports[0] ? "" : ", ");
        print("cycles", port.last - port.first + 1, ", ");
        print("words_read", port.read, ", ");
        print("words_written", port.written, "}");
    }
    fprintf(file, "], ");
    write_counts(file, "counters", window);
    fprintf(file, ", ");
    write_counts(file, "all_counters", all);
    fprintf(file, "}\n");
    fclose(file);
}
