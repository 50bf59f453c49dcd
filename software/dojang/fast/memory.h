// Zeroed, aligned memory that takes room only where it is written.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>
#include <utility>

namespace dojang {

template <typename T> class Memory {
    void *raw = nullptr;
    T *aligned = nullptr;

  public:
    Memory() = default;
    explicit Memory(long count) : raw(std::calloc(count * sizeof(T) + 64, 1)) {
        if (!raw)
            throw std::bad_alloc();
        aligned = reinterpret_cast<T *>((reinterpret_cast<uintptr_t>(raw) + 63) & ~uintptr_t(63));
    }
    Memory(Memory &&other) noexcept { swap(other); }
    Memory &operator=(Memory &&other) noexcept {
        swap(other);
        return *this;
    }
    ~Memory() { std::free(raw); }

    T *data() const { return aligned; }
    T &operator[](long at) const { return aligned[at]; }
    explicit operator bool() const { return raw; }

  private:
    void swap(Memory &other) {
        std::swap(raw, other.raw);
        std::swap(aligned, other.aligned);
    }
};

} // namespace dojang
