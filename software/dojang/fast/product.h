// Matrices of integers and their products (docs/reference/numerics.md: GEMV).
//
// Sixteen rows lie side by side, two columns of each together: the two columns' activations go to all lanes, and no sum
// crosses lanes.
#pragma once

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "align.h"
#include "memory.h"

namespace dojang {

constexpr int ROWS = 16; // rows of a block, lanes of a register
#if defined(__AVX512BW__)
constexpr int AT_ONCE = 8;
#else
constexpr int AT_ONCE = 4;
#endif
typedef int32_t Lanes __attribute__((vector_size(4 * ROWS)));
typedef float Floats __attribute__((vector_size(4 * ROWS)));
typedef double Doubles __attribute__((vector_size(8 * ROWS)));
typedef int8_t Bytes __attribute__((vector_size(2 * ROWS)));
typedef int16_t Halves __attribute__((vector_size(4 * ROWS)));

inline Halves load(const int8_t *codes) {
    Bytes bytes;
    std::memcpy(&bytes, codes, sizeof bytes);
#if defined(__AVX512BW__)
    return Halves(_mm512_cvtepi8_epi16(__m256i(bytes)));
#else
    return __builtin_convertvector(bytes, Halves);
#endif
}

inline Halves load(const int16_t *codes) {
    Halves halves;
    std::memcpy(&halves, codes, sizeof halves);
    return halves;
}

// sum + both products of every lane
inline Lanes multiply(Lanes sum, Halves codes, const int16_t *q) {
    int32_t pair;
    std::memcpy(&pair, q, sizeof pair);
#if defined(__AVX512VNNI__)
    return Lanes(_mm512_dpwssd_epi32(__m512i(sum), __m512i(codes), _mm512_set1_epi32(pair)));
#elif defined(__AVX512BW__)
    return sum + Lanes(_mm512_madd_epi16(__m512i(codes), _mm512_set1_epi32(pair)));
#elif defined(__AVX2__)
    __m256i part[2];
    std::memcpy(part, &codes, sizeof part);
    for (__m256i &half : part)
        half = _mm256_madd_epi16(half, _mm256_set1_epi32(pair));
    Lanes products;
    std::memcpy(&products, part, sizeof products);
    return sum + products;
#else
    const Lanes both = Lanes(codes);
    return sum + (both << 16 >> 16) * int32_t(q[0]) + (both >> 16) * int32_t(q[1]);
#endif
}

struct Matrix {
    long rows = 0, products = 0;    // of a row
    int group = 0, terms = 1;
    bool rotated = false;
    bool wide = false;              // dot products beyond 2^24
    long stride = 0;                // codes from one block to the next
    Memory<int8_t> small;           // [block][product][pair of columns][ROWS][2]
    Memory<int16_t> large;          // the same, if some do not fit in a byte
    Memory<float> scale, offset;    // [block][product][ROWS]
    bool row_scale = false;         // scale is [block][ROWS]

    long blocks() const { return (rows + ROWS - 1) / ROWS; }
    long columns() const { return products / terms * group; }

    // Index of the code of a column, counted through all products.
    long place(long row, long column) const {
        return row / ROWS * stride + (column / 2 * ROWS + row % ROWS) * 2 + column % 2;
    }

    // factors [rows][across] side by side
    Memory<float> lanes(const float *factors, long across) const {
        Memory<float> result(blocks() * across * ROWS);
        for (long row = 0; row < rows; row++)
            for (long at = 0; at < across; at++)
                result[(row / ROWS * across + at) * ROWS + row % ROWS] = factors[row * across + at];
        return result;
    }

    template <typename Code> Memory<Code> pack(const int16_t *values) {
        stride = products * group * ROWS;
        Memory<Code> codes(blocks() * stride);
        for (long row = 0; row < rows; row++)
            for (long column = 0; column < products * group; column++)
                codes[place(row, column)] = *values++;
        return codes;
    }
};

template <int CONTEXTS, typename Code>
void multiply_block(const Matrix &matrix, const Code *codes, long block, const Aligned &x, long context, float *y,
                    long y_stride) {
    const float *scale = matrix.scale.data() + block * ROWS * (matrix.row_scale ? 1 : matrix.products);
    const float *offset = matrix.offset.data() + block * ROWS * matrix.products;
    const int16_t *q = &x.q[context * x.columns];
    const float *factor = &x.factor[context * x.groups], *total = &x.total[context * x.groups];
    Floats sums[CONTEXTS] = {};
    for (long product = 0; product < matrix.products; product++) {
        const long group = product / matrix.terms;
        Lanes dot[CONTEXTS] = {};
        for (int column = 0; column < matrix.group; column += 2, codes += 2 * ROWS) {
            const Halves weights = load(codes);
            for (int c = 0; c < CONTEXTS; c++)
                dot[c] = multiply(dot[c], weights, q + c * x.columns + group * matrix.group + column);
        }
        Floats d = {}, m = {};
        if (matrix.scale)
            std::memcpy(&d, scale + (matrix.row_scale ? 0 : product * ROWS), sizeof d);
        if (matrix.offset)
            std::memcpy(&m, offset + product * ROWS, sizeof m);
        for (int c = 0; c < CONTEXTS; c++) {
            Floats t;
            if (!matrix.scale)
                t = __builtin_convertvector(dot[c], Floats);
            else if (matrix.wide) // one rounding of the product
                t = __builtin_convertvector(__builtin_convertvector(d, Doubles)
                                            * __builtin_convertvector(dot[c], Doubles), Floats);
            else
                t = d * __builtin_convertvector(dot[c], Floats);
            if (matrix.offset)
                t += m * total[c * x.groups + group];
            sums[c] += t * factor[c * x.groups + group];
        }
    }
    const long rows = std::min<long>(ROWS, matrix.rows - block * ROWS);
    for (int c = 0; c < CONTEXTS; c++)
        std::memcpy(y + c * y_stride + block * ROWS, &sums[c], rows * sizeof *y);
}

template <int CONTEXTS, typename Code>
void multiply_contexts(const Matrix &matrix, const Code *codes, long block, const Aligned &x, long &context,
                       long contexts, float *y, long y_stride) {
    for (; context + CONTEXTS <= contexts; context += CONTEXTS)
        multiply_block<CONTEXTS>(matrix, codes, block, x, context, y + context * y_stride, y_stride);
    if constexpr (CONTEXTS > 1)
        multiply_contexts<CONTEXTS / 2>(matrix, codes, block, x, context, contexts, y, y_stride);
}

// y [contexts][rows], rows of y are y_stride elements apart.
inline void multiply(const Matrix &matrix, const Aligned &x, long contexts, float *y, long y_stride) {
    for (long block = 0; block < matrix.blocks(); block++) {
        long context = 0;
        if (matrix.large)
            multiply_contexts<AT_ONCE>(matrix, matrix.large.data() + block * matrix.stride, block, x, context,
                                       contexts, y, y_stride);
        else
            multiply_contexts<AT_ONCE>(matrix, matrix.small.data() + block * matrix.stride, block, x, context,
                                       contexts, y, y_stride);
    }
}

} // namespace dojang
