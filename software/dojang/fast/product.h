// Products of matrices (docs/reference/numerics.md: GEMV).
//
// Two columns' activations go to all lanes, which are rows: no sum crosses lanes.
#pragma once

#include "align.h"
#include "matrix.h"

namespace dojang {

#if defined(__AVX512BW__)
constexpr int AT_ONCE = 8; // contexts that share what is loaded of the weights; 32 registers hold their sums
#else
constexpr int AT_ONCE = 4;
#endif

// sum + both products of every lane
inline Lanes multiply_pair(Lanes sum, Halves weights, const int16_t *q) {
    int32_t pair;
    std::memcpy(&pair, q, sizeof pair);
#if defined(__AVX512VNNI__)
    return Lanes(_mm512_dpwssd_epi32(__m512i(sum), __m512i(weights), _mm512_set1_epi32(pair)));
#elif defined(__AVX512BW__)
    return sum + Lanes(_mm512_madd_epi16(__m512i(weights), _mm512_set1_epi32(pair)));
#elif defined(__AVX2__)
    __m256i part[2];
    std::memcpy(part, &weights, sizeof part);
    for (__m256i &half : part)
        half = _mm256_madd_epi16(half, _mm256_set1_epi32(pair));
    Lanes products;
    std::memcpy(&products, part, sizeof products);
    return sum + products;
#else
    const Lanes both = Lanes(weights);
    return sum + (both << 16 >> 16) * int32_t(q[0]) + (both >> 16) * int32_t(q[1]);
#endif
}

// t of the page without its power of two.
inline Floats scaled(const Matrix &matrix, Lanes dot, Floats d, Floats m, int32_t total) {
    Floats t;
    if (!matrix.scale)
        t = __builtin_convertvector(dot, Floats);
    else if (matrix.wide) // one rounding of the exact product
        t = __builtin_convertvector(__builtin_convertvector(d, Doubles) * __builtin_convertvector(dot, Doubles),
                                    Floats);
    else
        t = d * __builtin_convertvector(dot, Floats);
    return matrix.offset ? t + m * float(total) : t;
}

// A block of rows with some contexts; codes, scale and offset are the block's own.
template <int CONTEXTS, typename Code>
void multiply_block(const Matrix &matrix, const Code *codes, const uint16_t *scale, const uint16_t *offset,
                    const Aligned &x, long context, float *y, long y_stride, long rows) {
    const int16_t *q = &x.q[context * x.columns];
    const float *factor = &x.factor[context * x.groups];
    const int32_t *total = &x.total[context * x.groups];
    Floats sums[CONTEXTS] = {};
    for (long product = 0; product < x.groups * matrix.terms; product++) {
        const long group = product / matrix.terms;
        Lanes dots[CONTEXTS];
        for (int c = 0; c < CONTEXTS; c++)
            dots[c] = Lanes{} + matrix.base * total[c * x.groups + group];
        for (int column = 0; column < matrix.group; column += Code::COLUMNS, codes += 2 * ROWS) {
            Halves weights[Code::COLUMNS / 2];
            Code::load(codes, weights);
            for (int pair = 0; pair < Code::COLUMNS / 2; pair++)
                for (int c = 0; c < CONTEXTS; c++)
                    dots[c] = multiply_pair(dots[c], weights[pair],
                                            q + c * x.columns + group * matrix.group + column + 2 * pair);
        }
        const Floats d = scale ? load_scales(scale + (matrix.row_scale ? 0 : product * ROWS)) : Floats{};
        const Floats m = offset ? load_scales(offset + product * ROWS) : Floats{};
        for (int c = 0; c < CONTEXTS; c++) {
            const long at = c * x.groups + group;
            sums[c] += scaled(matrix, dots[c], d, m, total[at]) * factor[at];
        }
    }
    for (int c = 0; c < CONTEXTS; c++)
        std::memcpy(y + c * y_stride, &sums[c], rows * sizeof *y);
}

template <int CONTEXTS, typename Code>
void multiply_contexts(const Matrix &matrix, const Code *codes, const uint16_t *scale, const uint16_t *offset,
                       const Aligned &x, long context, float *y, long y_stride, long rows) {
    for (; context + CONTEXTS <= x.contexts; context += CONTEXTS)
        multiply_block<CONTEXTS>(matrix, codes, scale, offset, x, context, y + context * y_stride, y_stride, rows);
    if constexpr (CONTEXTS > 1)
        multiply_contexts<CONTEXTS / 2>(matrix, codes, scale, offset, x, context, y, y_stride, rows);
}

// Rows from `row` on, whose first starts a block, and columns from the group `group` on, as many as activations have.
struct Section {
    long row, rows, group;
};

// y [contexts][section.rows], its rows y_stride elements apart
inline void multiply(const Matrix &matrix, const Section &section, const Aligned &x, float *y, long y_stride) {
    matrix.visit([&](const auto *codes) {
        typedef std::remove_cv_t<std::remove_pointer_t<decltype(codes)>> Code;
        const long stride = matrix.room * 2 * ROWS / Code::COLUMNS, product = section.group * matrix.terms;
        const long scales = (matrix.row_scale ? 1 : matrix.products) * ROWS;
        const long before = matrix.row_scale ? 0 : product * ROWS;
        codes += product * matrix.group * 2 * ROWS / Code::COLUMNS;
        for (long row = 0; row < section.rows; row += ROWS) {
            const long block = (section.row + row) / ROWS, at = block * scales + before;
            multiply_contexts<AT_ONCE>(
                matrix, codes + block * stride, matrix.scale ? matrix.scale.data() + at : nullptr,
                matrix.offset ? matrix.offset.data() + at : nullptr, x, 0, y + row, y_stride,
                std::min<long>(ROWS, section.rows - row));
        }
    });
}

} // namespace dojang
