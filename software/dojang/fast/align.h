// Engine input (docs/reference/numerics.md: Alignment): groups as integers that share an exponent.
#pragma once

#include <algorithm>
#include <vector>

#include "arith.h"

namespace dojang {

constexpr int FRACTION = 14, E_MIN = -64, E_MAX = 64, LIMIT = 32767, TURN = 64, TURN_EXPONENT = 3;

// 2^exponent, -126 <= exponent <= 127
inline float power_of_two(int exponent) { return float_of(uint32_t(exponent + 127) << 23); }

// Aligned rows of activations, one a context.
struct Aligned {
    long contexts = 0;              // rows
    long columns = 0, groups = 0;   // of a row, whole groups
    std::vector<int16_t> q;         // [contexts][columns]
    std::vector<float> factor;      // [contexts][groups]: 2^(E - 14)
    std::vector<int32_t> total;     // [contexts][groups]: X
    bool nonfinite = false;         // sticky

    // count elements of each row of x, then zeros to whole groups; rows are stride elements apart.
    void set(const float *x, long rows, long stride, long count, int group, bool rotated) {
        contexts = rows;
        groups = (count + group - 1) / group;
        columns = groups * group;
        q.resize(contexts * columns);
        factor.resize(contexts * groups);
        total.resize(contexts * groups);
        for (long row = 0; row < contexts * groups; row++) {
            const long context = row / groups, at = row % groups * group;
            const long here = std::min<long>(group, count - at);
            int16_t *to = &q[context * columns + at];
            int exponent = one(x + context * stride + at, here, to);
            std::fill(to + here, to + group, 0);
            if (rotated)
                exponent = turn(to, group, exponent);
            int sum = 0;
            for (int j = 0; j < group; j++)
                sum += to[j];
            factor[row] = power_of_two(exponent - FRACTION);
            total[row] = sum;
        }
    }

    // Every row's groups `times` times, one after the other.
    void repeat(int times) {
        Aligned one = *this;
        q.clear(), factor.clear(), total.clear();
        for (long context = 0; context < contexts; context++)
            for (int time = 0; time < times; time++) {
                q.insert(q.end(), &one.q[context * columns], &one.q[context * columns] + columns);
                factor.insert(factor.end(), &one.factor[context * groups], &one.factor[context * groups] + groups);
                total.insert(total.end(), &one.total[context * groups], &one.total[context * groups] + groups);
            }
        columns *= times;
        groups *= times;
    }

  private:
    int one(const float *x, long count, int16_t *to) {
        const uint32_t least = uint32_t(E_MIN + 127) << 23, infinite = 0x7F800000;
        uint32_t largest = 0, beyond = 0;
        for (long j = 0; j < count; j++) {
            const uint32_t magnitude = bits_of(x[j]) & 0x7FFFFFFF;
            beyond |= magnitude >= infinite;
            largest = std::max(largest, magnitude <= infinite ? magnitude : 0);
        }
        nonfinite |= beyond != 0;
        const int exponent = std::clamp(int(largest >> 23) - 127, E_MIN, E_MAX);
        const float scale = power_of_two(FRACTION - exponent);
        for (long j = 0; j < count; j++) {
            const uint32_t magnitude = bits_of(x[j]) & 0x7FFFFFFF;
            const float kept = magnitude >= least && magnitude <= infinite ? x[j] : 0.0f;
            to[j] = int16_t(clamp(kept * scale, LIMIT) + ROUNDER - ROUNDER);
        }
        return exponent;
    }

    // Walsh-Hadamard transforms, rounded to 16 bits on the smallest exponent that holds the group.
    static int turn(int16_t *q, int group, int exponent) {
        int32_t r[128];
        std::copy(q, q + group, r);
        for (int half = 1; half < TURN; half *= 2)
            for (int at = 0; at < group; at += 2 * half)
                for (int j = at; j < at + half; j++) {
                    const int32_t a = r[j], b = r[j + half];
                    r[j] = a + b;
                    r[j + half] = a - b;
                }
        int shift = 0;
        for (int j = 0; j < group; j++)
            while (r[j] < -(32768 << shift) || r[j] >= 32768 << shift)
                shift++;
        for (int j = 0; j < group; j++)
            q[j] = int16_t(clamp(r[j] * power_of_two(-shift), LIMIT) + ROUNDER - ROUNDER);
        return exponent + shift - TURN_EXPONENT;
    }
};

} // namespace dojang
