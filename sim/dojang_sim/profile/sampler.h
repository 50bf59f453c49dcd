// Records the taps of a profiled chip: what changes, and counts of cycles.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "verilated.h"
#include "verilated_sym_props.h"
#include "verilated_syms.h"

namespace profile {

enum Kind { kState, kLevel, kCount };

struct Tap {
    const char* scope;
    const char* signal;
    Kind kind;
};

#include "taps.h"

constexpr uint16_t kBegin = 0xffff, kEnd = 0xfffe;

#pragma pack(push, 1)
struct Entry {
    uint32_t cycle;
    uint32_t value;
    uint16_t tap;
};
#pragma pack(pop)

// Verilator's name of an escaped identifier without the escapes.
inline std::string plain(const std::string& name) {
    std::string result;
    for (const char c : name)
        if (c != '\\' && c != ' ') result += c;
    return result;
}

class Sampler {
 public:
    // An empty path: nothing is recorded.
    Sampler(VerilatedContext& context, const std::string& path) {
        if (path.empty()) return;
        file_ = fopen(path.c_str(), "wb");
        if (!file_) fail("cannot write", path.c_str());
        for (const Tap& tap : kTaps) taps_.push_back(find(context, tap));
    }
    ~Sampler() {
        if (file_) fclose(file_);
    }

    // Once a cycle, with the signals as the next edge finds them.
    void sample(bool running) {
        if (!file_) return;
        if (running && !was_running_) begin();
        if (running) record();
        if (!running && was_running_) end();
        was_running_ = running;
    }

 private:
    struct Source {
        const void* data;
        uint32_t bytes;
        Kind kind;
        uint32_t last;
        uint32_t value() const {
            return bytes == 1   ? *static_cast<const uint8_t*>(data)
                   : bytes == 2 ? *static_cast<const uint16_t*>(data)
                                : *static_cast<const uint32_t*>(data);
        }
    };

    [[noreturn]] static void fail(const char* what, const char* which) {
        fprintf(stderr, "%s %s\n", what, which);
        exit(1);
    }
    static Source find(VerilatedContext& context, const Tap& tap) {
        for (const auto& [scope_name, scope] : *context.scopeNameMap()) {
            if (plain(scope->name()) != tap.scope || !scope->varsp()) continue;
            for (auto& [name, variable] : *scope->varsp())
                if (plain(name) == tap.signal && variable.entSize() <= 4)
                    return {variable.datap(), static_cast<uint32_t>(variable.entSize()), tap.kind, 0};
        }
        fail("the model has no signal of 32 bits at most named", tap.signal);
    }

    void put(uint16_t tap, uint32_t value) {
        const Entry entry{cycle_, value, tap};
        fwrite(&entry, sizeof entry, 1, file_);
    }
    void begin() {
        cycle_ = 0;
        put(kBegin, 0);
    }
    void record() {
        const bool window = cycle_ % kWindow == 0, first = cycle_ == 0;
        for (size_t i = 0; i < taps_.size(); ++i) {
            Source& tap = taps_[i];
            const uint32_t value = tap.value();
            switch (tap.kind) {
                case kState:
                    if (value != tap.last || first) put(i, tap.last = value);
                    break;
                case kLevel:
                    if (window) put(i, value);
                    break;
                case kCount:
                    if (first) tap.last = 0;
                    if (window) put(i, tap.last);
                    tap.last += value != 0;
                    break;
            }
        }
        ++cycle_;
    }
    void end() {
        for (size_t i = 0; i < taps_.size(); ++i)
            if (taps_[i].kind == kCount) put(i, taps_[i].last);
        put(kEnd, 0);
        fflush(file_);
    }

    FILE* file_ = nullptr;
    std::vector<Source> taps_;
    uint32_t cycle_ = 0;
    bool was_running_ = false;
};

}  // namespace profile
