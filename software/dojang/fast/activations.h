// Activations and caps (docs/reference/numerics.md: Forward pass), an element at a time.
#pragma once

#include "arith.h"

namespace dojang {

constexpr double LOG2_E = 1.4426950408889634, ROOT_2_BY_PI = 0.79788456080286536;

// 1 / (1 + 2^t)
inline float inverse(const Tables &tables, float t) { return recip(tables, add(exp2(tables, t), 1)); }

inline float silu(const Tables &tables, float n) { return mul(inverse(tables, mul(n, float(-LOG2_E))), n); }

// n · σ of a polynomial: coefficients of n^1, n^3 …, towards powers of two.
template <int TERMS> float gelu(const Tables &tables, float n, const float (&c)[TERMS]) {
    const float square = mul(n, n);
    float p = c[TERMS - 1];
    for (int term = TERMS - 2; term >= 0; term--)
        p = add(mul(p, square), c[term]);
    return mul(inverse(tables, mul(p, n)), n);
}

inline float gelu_tanh(const Tables &tables, float n) {
    constexpr double B = -2 * LOG2_E * ROOT_2_BY_PI;
    constexpr float COEFFICIENTS[] = {float(B), float(B * 0.044715)};
    return gelu(tables, n, COEFFICIENTS);
}

inline float gelu_erf(const Tables &tables, float n) {
    constexpr float COEFFICIENTS[] = {-2.3020453905f, -0.1052266879f, 3.602746711e-4f, 8.823810288e-5f,
                                      -3.228986932e-6f};
    return gelu(tables, n, COEFFICIENTS);
}

// limit · tanh(s · scale / limit); no cap where limit is 0.
class Cap {
    float in, out, limit;

  public:
    Cap(double limit, double scale)
        : in(float(2 * LOG2_E * scale / limit)), out(float(-2 * limit)), limit(float(limit)) {}

    explicit operator bool() const { return limit != 0; }
    float operator()(const Tables &tables, float s) const {
        return add(mul(inverse(tables, mul(s, in)), out), limit);
    }
};

} // namespace dojang
