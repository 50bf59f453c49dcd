// Matrices of integers with their scales, as the products take them.
//
// Sixteen rows lie side by side, two columns of each together; codes of four bits hold the next two columns above.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <type_traits>

#include "arith.h"
#include "memory.h"

namespace dojang {

constexpr int ROWS = 16; // rows of a block, lanes of a register
typedef int32_t Lanes __attribute__((vector_size(4 * ROWS)));
typedef float Floats __attribute__((vector_size(4 * ROWS)));
typedef double Doubles __attribute__((vector_size(8 * ROWS)));
typedef uint16_t Scales __attribute__((vector_size(2 * ROWS)));   // FP16
typedef int8_t Bytes __attribute__((vector_size(2 * ROWS)));
typedef uint8_t Nibbles __attribute__((vector_size(2 * ROWS)));
typedef int16_t Halves __attribute__((vector_size(4 * ROWS)));

// Codes of a column and, above it, of the second column after it; both are added to `Matrix::base`.
struct Nibble {
    uint8_t both;
    static constexpr int COLUMNS = 4;
    static void load(const Nibble *codes, Halves *weights) {
        Nibbles bytes;
        std::memcpy(&bytes, codes, sizeof bytes);
#if defined(__AVX512BW__)
        const Halves halves = Halves(_mm512_cvtepu8_epi16(__m256i(bytes)));
#else
        const Halves halves = __builtin_convertvector(bytes, Halves);
#endif
        weights[0] = halves & 15;
        weights[1] = halves >> 4;
    }
    static void store(Nibble *codes, long row, long column, int value) {
        codes[(column / 4 * ROWS + row) * 2 + column % 2].both |= value << (column / 2 % 2 * 4);
    }
};

template <typename Integer> struct Plain {
    Integer value;
    static constexpr int COLUMNS = 2;
    static void load(const Plain *codes, Halves *weights) {
        typedef Integer Part __attribute__((vector_size(2 * ROWS * sizeof(Integer))));
        Part part;
        std::memcpy(&part, codes, sizeof part);
#if defined(__AVX512BW__)
        if constexpr (sizeof(Integer) == 1) {
            weights[0] = Halves(_mm512_cvtepi8_epi16(__m256i(part)));
            return;
        }
#endif
        weights[0] = __builtin_convertvector(part, Halves);
    }
    static void store(Plain *codes, long row, long column, int value) {
        codes[(column / 2 * ROWS + row) * 2 + column % 2].value = value;
    }
};

typedef Plain<int8_t> Byte;
typedef Plain<int16_t> Half;

inline uint16_t fp16_bits(float exact) { // of an FP16 value that is not negative
    return bits_of(exact * 0x1p-112f) >> 13;
}

inline Floats load_scales(const uint16_t *scales) {
    Scales bits;
    std::memcpy(&bits, scales, sizeof bits);
#if defined(__AVX512F__)
    return Floats(_mm512_cvtph_ps(__m256i(bits)));
#else
    const Lanes wide = __builtin_convertvector(bits, Lanes), sign = (wide & 0x8000) << 16;
    return Floats(Lanes(Floats((wide & 0x7FFF) << 13) * 0x1p112f) | sign);
#endif
}

struct Matrix {
    long rows = 0, products = 0;    // products of a row
    long room = 0;                  // columns that a block of rows has codes for
    int group = 0, terms = 1;
    bool rotated = false, row_scale = false;
    bool wide = false;              // dot products beyond 2^24
    int base = 0;                   // part of every integer
    Memory<Nibble> nibbles;         // one of the three: [block][product][columns of a code][ROWS][2]
    Memory<Byte> bytes;
    Memory<Half> halves;
    Memory<uint16_t> scale, offset; // FP16 [block][product][ROWS], or [block][ROWS] with row_scale; or none

    long blocks() const { return (rows + ROWS - 1) / ROWS; }

    // f(codes of the first block)
    template <typename Function> auto visit(Function f) const {
        return nibbles ? f(nibbles.data()) : bytes ? f(bytes.data()) : f(halves.data());
    }

    // factors [rows][across] side by side
    Memory<uint16_t> lanes(const uint16_t *factors, long across) const {
        Memory<uint16_t> result(blocks() * across * ROWS);
        for (long row = 0; row < rows; row++)
            for (long at = 0; at < across; at++)
                result[(row / ROWS * across + at) * ROWS + row % ROWS] = *factors++;
        return result;
    }

    // Makes room for integers from low to high.
    void reserve(int low, int high) {
        room = products * group;
        const long count = blocks() * room * ROWS;
        wide = long(std::max(-low, high)) * group * 32768 > 1 << 24;
        if (high - low < 16) {
            base = low;
            nibbles = Memory<Nibble>(count / 2);
        } else if (high - low < 256) {
            base = low >= INT8_MIN && high <= INT8_MAX ? 0 : low - INT8_MIN;
            bytes = Memory<Byte>(count);
        } else
            halves = Memory<Half>(count);
    }

    // value: less base
    template <typename Code> void put(Code *codes, long row, long column, int value) const {
        Code::store(codes + row / ROWS * room * 2 * ROWS / Code::COLUMNS, row % ROWS, column, value);
    }

    // values: [count][products][group] of the rows from `first` on, once for every row
    void fill(long first, long count, const int16_t *values) {
        visit([=](auto *codes) {
            for (long row = 0; row < count; row++)
                for (long column = 0; column < room; column++)
                    put(codes, first + row, column, values[row * room + column] - base);
        });
    }
};

} // namespace dojang
