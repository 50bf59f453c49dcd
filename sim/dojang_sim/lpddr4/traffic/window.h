// What is counted: cycles and words of the window, the memory's own counters.
#pragma once

#include <cstdint>
#include <cstdio>
#include <vector>

#include "Vtraffic_top.h"

struct Counter {
    const char* name;
    uint64_t (*value)(const Vtraffic_top&);
};
inline const std::vector<Counter> kCounters{
#define COUNTER(name) {#name, [](const Vtraffic_top& top) -> uint64_t { return top.counter_##name; }},
#include "counters.inc"
};

using Counts = std::vector<uint64_t>;  // as kCounters

inline Counts counts(const Vtraffic_top& top) {
    Counts values;
    for (const Counter& counter : kCounters) values.push_back(counter.value(top));
    return values;
}

inline void write_counts(FILE* file, const char* name, const Counts& values) {
    fprintf(file, "\"%s\": {", name);
    for (size_t i = 0; i < kCounters.size(); ++i)
        fprintf(file, "%s\"%s\": %llu", i ? ", " : "", kCounters[i].name, (unsigned long long)values[i]);
    fprintf(file, "}");
}

// Cycles and words from the first to the last transfer of the window. Counters: where they were at its start, then how
// far they went.
struct Window {
    bool open = false;
    uint64_t first = 0, last = 0, read = 0, written = 0;
    Counts counters = Counts(kCounters.size());

    void count(uint64_t cycle, bool reads, bool writes) {
        if (!open || !(reads || writes)) return;
        if (!read && !written) first = cycle;
        last = cycle;
        read += reads;
        written += writes;
    }
    void toggle(const Vtraffic_top& top) {
        const Counts now = counts(top);
        for (size_t i = 0; i < now.size(); ++i) counters[i] = now[i] - counters[i];
        open = !open;
    }
};
