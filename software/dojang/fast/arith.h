// FP32 of the chip (docs/reference/numerics.md: Formats, Vector unit, Special functions), one operation a function.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace dojang {

constexpr float INFINITE = std::numeric_limits<float>::infinity();
constexpr float MIN_NORMAL = 0x1p-126f, FP16_MAX = 65504, FP16_OVERFLOW = 65520;
constexpr float ROUNDER = 0x1.8p23f; // adding and subtracting it rounds magnitudes below 2^22 to integers

inline uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float float_of(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline float flush(float x) { return std::fabs(x) < MIN_NORMAL ? std::copysign(0.0f, x) : x; }
inline float canonical(float x) { return x != x ? float_of(0x7FC00000) : x; }

// Never left to the processor's own flushing: that one also takes results that rounding makes normal.
inline float add(float a, float b) { return canonical(flush(flush(a) + flush(b))); }
inline float mul(float a, float b) { return canonical(flush(flush(a) * flush(b))); }

inline float clamp(float x, float limit) { return x < -limit ? -limit : x > limit ? limit : x; }

// Nearest FP16 value, as FP32; `clipped` counts those that saturate.
inline float round_fp16(float x, int64_t &clipped) {
    clipped += std::fabs(x) >= FP16_OVERFLOW;
    x = clamp(flush(x), FP16_MAX);
    const uint32_t bits = bits_of(x);
    const float normal = float_of((bits + 0xFFF + (bits >> 13 & 1)) & ~0x1FFFu);
    const float denormal = std::copysign(std::fabs(x) + 0.75f - 0.75f, x); // a step of 0.5 ... 1 is 2^-24
    return canonical(x != x ? x : std::fabs(x) < 0x1p-14f ? denormal : normal);
}

inline int8_t round_int8(float x) {
    return x != x ? int8_t(0) : int8_t(clamp(x, 127) + ROUNDER - ROUNDER);
}

// Coefficients (c0, c1, c2) of the segments; rsqrt has those of even exponents, then those of odd ones.
struct Tables {
    const int64_t *exp2, *recip, *rsqrt;
};

inline int64_t evaluate(const int64_t *table, uint32_t segment, int64_t t) {
    const int64_t *c = table + 3 * segment, v = t - (1 << 17);
    const int64_t s = c[1] + (c[2] * v >> 17), r = c[0] + (s * v >> 18);
    return (r + 8) >> 4;
}

inline float exp2(const Tables &tables, float x) {
    const uint32_t bits = bits_of(x), exponent = bits >> 23 & 0xFF, fraction = bits & 0x7FFFFF;
    const bool negative = bits >> 31;
    if (exponent == 255 && fraction)
        return float_of(0x7FC00000);
    if (bits > 0xC2FC0000)                                   // below -126
        return 0;
    if (exponent >= 134 && !negative)
        return INFINITE;
    const int64_t mantissa = exponent ? fraction | 1 << 23 : 0;
    const int64_t magnitude = exponent >= 125 ? mantissa << (exponent - 125)
                              : exponent > 98 ? ((mantissa << 1 >> (125 - exponent)) + 1) >> 1 : 0;
    const int64_t n = negative ? -magnitude : magnitude;
    const int64_t y = evaluate(tables.exp2, n >> 18 & 0x7F, n & 0x3FFFF);
    return float_of(((n >> 25) + 126) * (1 << 23) + y);
}

inline float recip(const Tables &tables, float x) {
    const uint32_t bits = bits_of(x), exponent = bits >> 23 & 0xFF, fraction = bits & 0x7FFFFF;
    const uint32_t sign = bits & 0x80000000;
    if (exponent == 255)
        return float_of(fraction ? 0x7FC00000 : sign);
    if (exponent == 0)
        return float_of(sign | 0x7F800000);
    const int64_t y = evaluate(tables.recip, fraction >> 16, (fraction & 0xFFFF) << 2);
    const int64_t result = (252 - int64_t(exponent)) * (1 << 23) + y;
    return float_of((result < 1 << 23 ? 0 : uint32_t(result)) | sign);
}

inline float rsqrt(const Tables &tables, float x) {
    const uint32_t bits = bits_of(x), exponent = bits >> 23 & 0xFF, fraction = bits & 0x7FFFFF;
    if (exponent == 255 && fraction)
        return float_of(0x7FC00000);
    if (exponent == 0)
        return INFINITE;
    if (bits >> 31)
        return float_of(0x7FC00000);
    if (exponent == 255)
        return 0;
    const uint32_t odd = (exponent + 1) & 1;
    const int64_t y = evaluate(tables.rsqrt, odd << 7 | fraction >> 16, (fraction & 0xFFFF) << 2);
    return float_of((125 - ((int64_t(exponent) - 127) >> 1)) * (1 << 23) + y);
}

constexpr int PARTIALS = 8;

// Reduce.SUM of what element(i) gives.
template <typename Element> float reduce_sum(long count, Element element) {
    float p[PARTIALS] = {};
    long at = 0;
    for (; at + PARTIALS <= count; at += PARTIALS)
        for (int k = 0; k < PARTIALS; k++)
            p[k] = add(p[k], element(at + k));
    for (int k = 0; at + k < count; k++)
        p[k] = add(p[k], element(at + k));
    return add(add(add(p[0], p[1]), add(p[2], p[3])), add(add(p[4], p[5]), add(p[6], p[7])));
}

inline float reduce_max(const float *z, long count) {
    float m = -INFINITE;
    for (long at = 0; at < count; at++)
        m = flush(z[at]) > m ? flush(z[at]) : m;             // a NaN is not larger
    return m;
}

inline float reduce_maxabs(const float *z, long count) {
    float m = 0;
    for (long at = 0; at < count; at++) {
        const float magnitude = std::fabs(flush(z[at]));
        m = magnitude > m ? magnitude : m;
    }
    return m;
}

} // namespace dojang
