// What the memory should hold, and the order in which read words should come back.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

struct Word {
    uint64_t low, high;
    bool operator==(const Word& other) const { return low == other.low && high == other.high; }
};

inline std::string text(const Word& word) {
    char buffer[40];
    snprintf(buffer, sizeof buffer, "%016llx%016llx", (unsigned long long)word.high, (unsigned long long)word.low);
    return buffer;
}

inline uint64_t scramble(uint64_t value) {  // splitmix64
    value += 0x9E3779B97F4A7C15;
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9;
    value = (value ^ value >> 27) * 0x94D049BB133111EB;
    return value ^ value >> 31;
}

// A model of the contents. Without given ones: before their first use words get a hash of their address, here and in the memory's image, so
// that a gigabyte costs only what is used of it, and a word from a wrong address is never the right one. A few at once:
// a controller may read the rest of a burst with a word, and write it back.
class Shadow {
 public:
    // Without an `image`, the words are those of the file `contents`, mapped shared: at the end it has what should be
    // there. The image is nobody's business here then.
    Shadow(uint64_t words, Word* image, const std::string& contents)
        : words_(words), image_(image), used_((words + kTogether - 1) / kTogether) {
        const int file = image ? -1 : open(contents.c_str(), O_RDWR);
        if (!image && file < 0) return;
        const int flags = image ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
        void* memory = mmap(nullptr, words * sizeof(Word), PROT_READ | PROT_WRITE, flags, file, 0);
        if (file >= 0) close(file);
        contents_ = memory == MAP_FAILED ? nullptr : static_cast<Word*>(memory);
    }
    bool good() const { return contents_ != nullptr; }
    uint64_t words() const { return words_; }

    // Before commands are issued that use these words: the memory may fetch early.
    void prepare(uint32_t addr, uint32_t length) {
        if (!image_) return;
        for (uint64_t group = addr / kTogether; group * kTogether < uint64_t(addr) + length; ++group) {
            if (used_[group]) continue;
            used_[group] = true;
            for (uint64_t at = group * kTogether; at < end(group); ++at)
                image_[at] = contents_[at] = {scramble(2 * at), scramble(2 * at + 1)};
        }
    }
    const Word& read(uint32_t addr) const { return contents_[addr]; }
    void replace(uint32_t addr, const Word& word) { contents_[addr] = word; }
    void write(uint32_t addr, const Word& data, uint32_t mask) {
        const uint64_t low = bytes(mask & 0xFF), high = bytes(mask >> 8);
        Word& word = contents_[addr];
        word = {(word.low & ~low) | (data.low & low), (word.high & ~high) | (data.high & high)};
    }
    // The first used word that the image has otherwise; words() if there is none.
    uint64_t first_difference() const {
        for (uint64_t group = 0; group < used_.size(); ++group)
            for (uint64_t at = group * kTogether; used_[group] && at < end(group); ++at)
                if (!(contents_[at] == image_[at])) return at;
        return words_;
    }

 private:
    static constexpr uint64_t kTogether = 8;
    uint64_t end(uint64_t group) const { return std::min((group + 1) * kTogether, words_); }
    static uint64_t bytes(uint32_t mask) {
        uint64_t result = 0;
        for (int i = 0; i < 8; ++i)
            if (mask >> i & 1) result |= 0xFFull << 8 * i;
        return result;
    }
    uint64_t words_;
    Word* image_;
    Word* contents_ = nullptr;
    std::vector<bool> used_;
};

// Compares the words that come back with what was asked for, in order.
class Expected {
 public:
    void push(uint32_t addr, const Word& word) { words_.push_back({addr, word}); }
    bool empty() const { return words_.empty(); }
    size_t size() const { return words_.size(); }
    uint64_t taken() const { return taken_; }

    // Address of the word that is to come next.
    uint32_t next() const { return words_.front().addr; }

    // Takes `word` for the next one; an empty string, or what is wrong with it.
    std::string take(const Word& word) {
        const std::string wrong = !words_.empty() && words_.front().word == word ? "" : reason(word);
        if (words_.empty()) return wrong;
        words_.pop_front();
        ++taken_;
        last_ = word;
        return wrong;
    }
    void clear() { words_.clear(); }

 private:
    std::string reason(const Word& word) const {
        const std::string got = "read word " + std::to_string(taken_) + " is " + text(word);
        if (words_.empty()) return got + ", but no more was asked for";
        const Entry& front = words_.front();
        char addr[24];
        snprintf(addr, sizeof addr, "0x%x", front.addr);
        const std::string wrong = got + ", expected " + text(front.word) + " of address " + addr;
        if (taken_ && word == last_) return wrong + ": the word before came again";
        for (size_t ahead = 1; ahead < words_.size() && ahead < kSearch; ++ahead)
            if (words_[ahead].word == word)
                return wrong + ": it is due " + std::to_string(ahead) + " words later, so words are lost or reordered";
        const int bits = __builtin_popcountll(word.low ^ front.word.low) +
                         __builtin_popcountll(word.high ^ front.word.high);
        return wrong + ": " + std::to_string(bits) + " bits differ";
    }

    static constexpr size_t kSearch = 4096;
    struct Entry {
        uint32_t addr;
        Word word;
    };
    std::deque<Entry> words_;
    Word last_{};
    uint64_t taken_ = 0;
};
