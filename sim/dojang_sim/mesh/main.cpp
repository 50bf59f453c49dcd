// A mesh of models of one router, each input of which always has a flit to send if it sends at all.
//
// Arguments: width, height, cycles, warm-up cycles, chance of a stall at an output in 1/256, seed. Standard input: for
// each input that sends its number (node y * width + x, then the edges) and its flits in hexadecimal, sent in turn for
// ever. Each flit is stamped with its input and the cycle in which it was first offered. After `cycles` nothing new is
// offered and the mesh drains. Standard output: for each pair "output input flits wait": flits that left between
// warm-up and `cycles`, and the longest time between first offer and leaving, of all flits.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "Vrouter.h"
#include "layout.h"
#include "verilated.h"

namespace {

using Flit = std::remove_reference_t<decltype(Vrouter::i_local___05Fpayload)>;
constexpr unsigned QUIET = 256;
enum Port { NORTH, EAST, SOUTH, WEST, LOCAL, PORTS };

struct Link {
    bool valid = false, ready = false;
    Flit flit{};
};

struct Source {
    std::vector<Flit> flits;
    size_t next = 0;
    bool offered = false;
    Link link;
};

void put(Flit& flit, unsigned at, unsigned bits, uint32_t value) {
    for (unsigned bit = 0; bit < bits; ++bit, ++at)
        flit[at / 32] = (flit[at / 32] & ~(1u << at % 32)) | (value >> bit & 1) << at % 32;
}

uint32_t get(const Flit& flit, unsigned at, unsigned bits) {
    uint32_t value = 0;
    for (unsigned bit = 0; bit < bits; ++bit, ++at) value |= (flit[at / 32] >> at % 32 & 1) << bit;
    return value;
}

Flit parse(const std::string& digits) {
    Flit flit{};
    for (size_t digit = 0; digit < digits.size(); ++digit)
        put(flit, 4 * digit, 4, std::stoul(digits.substr(digits.size() - 1 - digit, 1), nullptr, 16));
    return flit;
}

struct Node {
    VerilatedContext context;
    Vrouter router{&context};
    std::array<Link, PORTS> in, out;   // `in`: what comes; `out`: what leaves

#define EACH_PORT(DO) DO(NORTH, north) DO(EAST, east) DO(SOUTH, south) DO(WEST, west) DO(LOCAL, local)
    void read() {
#define READ(port, name)                                                          \
        in[port].ready = router.i_##name##___05Fready;                                \
        out[port].valid = router.o_##name##___05Fvalid, out[port].flit = router.o_##name##___05Fpayload;
        EACH_PORT(READ)
    }
    void clock() {
#define WRITE(port, name)                                                         \
        router.i_##name##___05Fvalid = in[port].valid, router.i_##name##___05Fpayload = in[port].flit; \
        router.o_##name##___05Fready = out[port].ready;
        EACH_PORT(WRITE)
        for (int level : {0, 1}) router.clk = level, router.eval();
    }
};

struct Count {
    unsigned long flits = 0, wait = 0;
};

}  // namespace

int main(int, char** argv) {
    const unsigned width = atoi(argv[1]), height = atoi(argv[2]), nodes = width * height;
    const unsigned long cycles = atol(argv[3]), warmup = atol(argv[4]);
    const unsigned stall = atoi(argv[5]);
    std::mt19937 random(atoi(argv[6]));
    std::vector<std::unique_ptr<Node>> mesh;
    for (unsigned index = 0; index < nodes; ++index) {
        mesh.push_back(std::make_unique<Node>());
        Node& node = *mesh.back();
        node.router.x = index % width, node.router.y = index / width;
        for (int reset : {1, 0}) node.router.rst = reset, node.clock();
    }
    std::vector<Source> sources(nodes + height);
    for (std::string line, digits; std::getline(std::cin, line);) {
        std::istringstream words(line);
        unsigned index;
        words >> index;
        while (words >> digits) sources.at(index).flits.push_back(parse(digits));
    }
    std::map<std::pair<unsigned, unsigned>, Count> counts;
    unsigned long last = 0;   // cycle in which a flit was offered or left
    for (unsigned long cycle = 0; cycle < cycles || cycle < last + QUIET; ++cycle) {
        if (cycle > 100 * cycles) return fprintf(stderr, "flits are stuck\n"), 1;
        for (auto& node : mesh) node->read();
        // At an edge: the source and the sink of the row, at the west of column 0.
        const auto attach = [&](unsigned number, Link& in, Link& out) {
            Source& source = sources[number];
            if (!source.offered && cycle < cycles && !source.flits.empty()) {
                source.link.flit = source.flits[source.next++ % source.flits.size()];
                put(source.link.flit, STAMP, 16, number), put(source.link.flit, STAMP + 16, 32, cycle);
                source.offered = true;
            }
            in.valid = source.offered, in.flit = source.link.flit;
            if (in.valid) last = cycle;
            if (in.valid && in.ready) source.offered = false;
            out.ready = random() % 256 >= stall;
            if (!(out.valid && out.ready)) return;
            Count& count = counts[{number, get(out.flit, STAMP, 16)}];
            count.wait = std::max(count.wait, cycle - get(out.flit, STAMP + 16, 32));
            count.flits += cycle >= warmup && cycle < cycles;
            last = cycle;
        };
        for (unsigned index = 0; index < nodes; ++index) {
            Node& node = *mesh[index];
            const unsigned x = index % width, y = index / width;
            const auto join = [](Link& from, Link& to) {
                to.valid = from.valid, to.flit = from.flit, from.ready = to.ready;
            };
            attach(index, node.in[LOCAL], node.out[LOCAL]);
            if (x == 0) attach(nodes + y, node.in[WEST], node.out[WEST]);
            if (x + 1 < width) {
                Node& other = *mesh[index + 1];
                join(node.out[EAST], other.in[WEST]), join(other.out[WEST], node.in[EAST]);
            }
            if (y + 1 < height) {
                Node& other = *mesh[index + width];
                join(node.out[SOUTH], other.in[NORTH]), join(other.out[NORTH], node.in[SOUTH]);
            }
        }
        for (auto& node : mesh) node->clock();
    }
    for (const auto& [ends, count] : counts)
        printf("%u %u %lu %lu\n", ends.first, ends.second, count.flits, count.wait);
}
