// Random phases for a guarded memory: reads of tiles as the guard allows them, reads and writes of clusters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "patterns.h"

struct Region {
    uint32_t first, words;
};

// Clusters are met at a few places, so that most reads and writes come soon after a write to the same cluster.
class GuardedPhases : public Generator {
 public:
    // `tiles`: regions that hold tiles of `tile` words, the last of each perhaps a shorter one. `few`: words
    // of a tile that the guard checks with all of it.
    GuardedPhases(const std::vector<Region>& tiles, Region clusters, uint32_t tile, uint32_t few, Random& random)
        : tiles_(tiles), clusters_(clusters), tile_(tile), few_(few), random_(random) {
        for (int i = 0; i < kPlaces; ++i) places_.push_back(random_.below(clusters.words));
    }
    Command first() const override { return {false, clusters_.first, 1, 0, false, {}}; }
    Command next() override {
        if (left_ == 0) begin();
        --left_;
        Command command{random_.chance(128), 0, 1, 0, random_.chance(96), stalls_};
        uint32_t at = 0;
        switch (kind_) {
            case kTiles:
                return read_of_tiles();
            case kMixed:  // with tiles between, as a program has them
                if (random_.chance(96)) return read_of_tiles();
                command.length = std::lround(std::exp2(random_.below(1 << 16) * (8.0 / (1 << 16))));
                at = place() + random_.below(16);
                break;
            case kHot:  // parts of four clusters, again and again
                command.length = 1 + random_.below(12);
                at = base_ + random_.below(24);
                break;
            case kSingleWrites:  // one command per word, as the edge of the mesh writes; now and then they are read
                command.write = !random_.chance(12);
                command.length = command.write || !run_ ? 1 : std::min(run_, 256u);
                at = command.write ? base_ + run_++ : base_;
                break;
            case kHost:  // everything in turn, long commands
                command.length = 256;
                at = run_++ * 256 % clusters_.words;
                break;
            case kIdle:  // so long that what was written is verified
                command.length = 1 + random_.below(16);
                at = place();
                command.gap = random_.chance(16) ? random_.below(1 << 13) : random_.below(200);
                break;
        }
        command.addr = clusters_.first + std::min(at, clusters_.words - command.length);
        return command;
    }

 private:
    enum Kind { kTiles, kMixed, kHot, kSingleWrites, kHost, kIdle, kKinds };
    static constexpr int kPlaces = 64;

    void begin() {
        kind_ = static_cast<Kind>(random_.below(kKinds));
        left_ = kind_ == kIdle ? 1 + random_.below(40) : kind_ == kHost ? 1 + random_.below(20) : random_.below(200);
        base_ = place();
        run_ = 0;
        stalls_ = random_stalls(random_);
    }
    // From anywhere to the end of a tile or of its region, or a few words of whole tiles.
    Command read_of_tiles() {
        const Region& region = tiles_[random_.below(tiles_.size())];
        const uint32_t rest = region.words % tile_;
        uint32_t start = random_.below(region.words);
        if (region.words >= tile_ && random_.chance(32)) {
            const uint32_t few = 1 + random_.below(few_);
            return {false, region.first + start % (region.words - rest - few + 1), few, 0, false, stalls_};
        }
        if (rest > few_) start = std::min(start, region.words - few_ - 1);
        uint32_t end = std::min(start + 256, region.words);
        if (end != region.words) end -= end % tile_;
        if (random_.chance(128)) end = std::min(start - start % tile_ + tile_, region.words);
        return {false, region.first + start, end - start, 0, false, stalls_};
    }
    uint32_t place() { return places_[random_.below(kPlaces)]; }

    const std::vector<Region> tiles_;
    const Region clusters_;
    const uint32_t tile_, few_;
    Random& random_;
    std::vector<uint32_t> places_;
    Kind kind_ = kMixed;
    uint32_t left_ = 0, base_ = 0, run_ = 0;
    Stalls stalls_{};
};
