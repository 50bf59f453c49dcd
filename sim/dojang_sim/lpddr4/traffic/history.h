// What clusters have held, for a memory that is reset while it is written to.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <map>
#include <vector>

#include "shadow.h"

// A cluster is written as a whole. So after a reset it is as it was after some word written to it, never a mixture.
class History {
 public:
    static constexpr uint32_t kCluster = 8;

    // Before the first word of a cluster is written, and after each.
    void note(uint32_t addr, const Shadow& shadow) {
        const uint32_t cluster = addr - addr % kCluster;
        Version version;
        for (uint32_t i = 0; i < kCluster; ++i) version[i] = shadow.read(cluster + i);
        versions_[cluster].push_back(version);
    }
    bool knows(uint32_t addr) const { return versions_.count(addr - addr % kCluster); }
    // Addresses of the clusters that were written.
    std::vector<uint32_t> clusters() const {
        std::vector<uint32_t> addresses;
        for (const auto& [addr, versions] : versions_) addresses.push_back(addr);
        return addresses;
    }
    // A word has been read: other versions have not been the one there. False if there is none left.
    bool narrow(uint32_t addr, const Word& word) {
        std::vector<Version>& versions = versions_[addr - addr % kCluster];
        std::vector<Version> possible;
        std::copy_if(versions.begin(), versions.end(), std::back_inserter(possible),
                     [&](const Version& version) { return version[addr % kCluster] == word; });
        if (possible.empty()) return false;
        versions = possible;
        return true;
    }
    void clear() { versions_.clear(); }

 private:
    using Version = std::array<Word, kCluster>;
    std::map<uint32_t, std::vector<Version>> versions_;
};
