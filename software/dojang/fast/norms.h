// Norms (docs/reference/numerics.md: Forward pass).
#pragma once

#include <vector>

#include "arith.h"

namespace dojang {

typedef std::vector<float> Rows; // [rows][elements]

// Each gain.size() elements of x; bias: of as many, or none.
inline void normalise(const Tables &tables, Rows &x, const Rows &gain, const Rows &bias, bool centred, float eps) {
    const long n = gain.size();
    const float share = float(1.0 / n);
    for (size_t row = 0; row < x.size(); row += n) {
        float *at = &x[row];
        if (centred) {
            const float mean = mul(reduce_sum(n, [=](long j) { return at[j]; }), -share);
            for (long j = 0; j < n; j++)
                at[j] = add(at[j], mean);
        }
        const float sum = reduce_sum(n, [=](long j) { return mul(at[j], at[j]); });
        const float r = rsqrt(tables, add(mul(sum, share), eps));
        for (long j = 0; j < n; j++)
            at[j] = mul(mul(at[j], r), gain[j]);
        if (!bias.empty())
            for (long j = 0; j < n; j++)
                at[j] = add(at[j], bias[j]);
    }
}

inline void round_fp16(Rows &x, int64_t &clipped) {
    for (float &element : x)
        element = round_fp16(element, clipped);
}

} // namespace dojang
