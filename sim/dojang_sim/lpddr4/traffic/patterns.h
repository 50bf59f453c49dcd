// Where the commands come from: mixes of regular streams for measuring, random phases for correctness.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "shadow.h"

// Chances, in 1/256 a cycle, that a stream of the port stands still.
struct Stalls {
    uint8_t command, write, read;
};

struct Command {
    bool write;
    uint32_t addr, length;
    uint32_t gap;  // cycles in which no command is offered before this one
    bool masked;   // its words have random byte masks
    Stalls stalls;
    bool counted = true;  // as one of the commands of the run
};

class Random {
 public:
    explicit Random(uint64_t seed) : state_(scramble(seed)) {}
    uint64_t bits() { return scramble(state_++); }
    uint32_t below(uint64_t bound) { return static_cast<uint32_t>((bits() >> 32) * bound >> 32); }
    bool chance(uint32_t of_256) { return of_256 && below(256) < of_256; }

 private:
    uint64_t state_;
};

class Generator {
 public:
    virtual ~Generator() = default;
    virtual Command next() = 0;
    // A read of one word that comes when the memory has been initialised.
    virtual Command first() const { return {false, 0, 1, 0, false, {}}; }
};

// Each stream is often not stalled at all.
inline Stalls random_stalls(Random& random) {
    static constexpr uint8_t kLevels[] = {0, 0, 0, 32, 128, 208};
    Stalls stalls;
    for (uint8_t* stall : {&stalls.command, &stalls.write, &stalls.read})
        *stall = kLevels[random.below(sizeof kLevels)];
    return stalls;
}

// One component of a mix: chunks of words, at random or one after the other, each moved by commands of `length` words.
struct Stream {
    bool write, random;
    uint32_t length, chunk, share;
};

// The streams take turns so that their shares of the words hold at any time. A sequential stream starts at its own
// part of the memory and starts at address 0 when the next chunk does not fit.
class Mix : public Generator {
 public:
    Mix(const std::vector<Stream>& streams, uint64_t words, Random& random) : words_(words), random_(random) {
        for (const Stream& stream : streams) {
            const uint64_t start = states_.size() * words / streams.size();
            states_.push_back({stream, start - start % stream.chunk, 0, 0});
        }
    }
    Command next() override {
        State* best = &states_[0];
        for (State& state : states_)
            if (state.moved * best->stream.share < best->moved * state.stream.share) best = &state;
        const Stream& stream = best->stream;
        if (best->left == 0) {
            best->left = stream.chunk;
            if (stream.random) best->at = uint64_t(random_.below(words_ / stream.chunk)) * stream.chunk;
            else if (best->at + stream.chunk > words_) best->at = 0;
        }
        const Command command{stream.write, uint32_t(best->at), stream.length, 0, false, {}};
        best->at += stream.length;
        best->left -= stream.length;
        best->moved += stream.length;
        return command;
    }

 private:
    struct State {
        Stream stream;
        uint64_t at;
        uint32_t left;
        uint64_t moved;
    };
    uint64_t words_;
    Random& random_;
    std::vector<State> states_;
};

// Phases of a few hundred commands, each of one kind and with its own stalls, on a few thousand places all over the
// memory, so that most reads meet what was written before.
class Phases : public Generator {
 public:
    // `row`: words from a row of a bank to the next row of the same bank.
    Phases(uint64_t words, uint32_t row, Random& random) : words_(words), row_(row), random_(random) {
        for (int i = 0; i < kPlaces; ++i) places_.push_back(random_.below(words));
    }
    Command next() override {
        if (left_ == 0) begin();
        --left_;
        Command command{random_.chance(128), 0, 1, 0, random_.chance(96), stalls_};
        switch (kind_) {
            case kMixed:  // 1 to 256 words, short ones as often as long ones
                command.length = std::lround(std::exp2(random_.below(1 << 16) * (8.0 / (1 << 16))));
                command.addr = place() + random_.below(256);
                break;
            case kHotRows:  // pieces of three rows of one bank
                command.length = 1 + random_.below(8);
                command.addr = base_ + random_.below(3) * row_ + random_.below(128);
                break;
            case kSingleWrites:  // one command per word, as the edge of the mesh writes; now and then they are read
                command.write = !random_.chance(12);
                command.addr = command.write ? base_ + run_++ : base_;
                command.length = command.write || !run_ ? 1 : std::min(run_, 256u);
                break;
            case kEnds:  // up to the last word, and on from the first
                command.length = 1 + random_.below(64);
                command.addr = random_.chance(128) ? random_.below(64) : words_ - 1 - random_.below(128);
                break;
            case kIdle:  // from a few cycles to many refresh intervals
                command.length = 1 + random_.below(16);
                command.addr = place();
                command.gap = random_.chance(4) ? random_.below(1 << 15) : random_.below(400);
                break;
        }
        if (command.addr + uint64_t(command.length) > words_) command.addr = words_ - command.length;
        return command;
    }

 private:
    enum Kind { kMixed, kHotRows, kSingleWrites, kEnds, kIdle, kKinds };
    static constexpr int kPlaces = 4096;

    void begin() {
        kind_ = static_cast<Kind>(random_.below(kKinds));
        left_ = kind_ == kIdle ? 1 + random_.below(40) : 20 + random_.below(400);
        base_ = place();
        run_ = 0;
        stalls_ = random_stalls(random_);
    }
    uint32_t place() { return places_[random_.below(kPlaces)]; }

    uint64_t words_;
    uint32_t row_;
    Random& random_;
    std::vector<uint32_t> places_;
    Kind kind_ = kMixed;
    uint32_t left_ = 0, base_ = 0, run_ = 0;
    Stalls stalls_{};
};
