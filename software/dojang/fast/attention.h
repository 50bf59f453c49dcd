// Key/value cache of a KV head and the attention of its query heads (docs/reference/numerics.md: Forward pass).
#pragma once

#include "product.h"

namespace dojang {

constexpr int BLOCK = 32;

struct Head {
    Matrix keys;            // rows are positions
    Matrix values;          // columns are positions; codes of the first terms, then those of the second
    Memory<float> v_scale;  // of each position

    Head() = default;
    Head(long key_dim, long value_dim, long context) : v_scale(context) {
        keys.group = values.group = BLOCK;
        keys.rows = context;
        keys.products = 2 * ((key_dim + BLOCK - 1) / BLOCK);
        keys.reserve(-127, 127);
        keys.scale = Memory<uint16_t>(keys.blocks() * keys.products * ROWS);
        values.rows = 2 * value_dim;
        values.products = (context + BLOCK - 1) / BLOCK;
        values.reserve(-127, 127);
    }

    void store(const Tables &tables, long position, const float *k, long key_dim, const float *v, long value_dim,
               int64_t &clipped) {
        store_key(tables, position, k, key_dim, clipped);
        store_value(tables, position, v, value_dim);
    }

  private:
    void store_key(const Tables &tables, long position, const float *k, long size, int64_t &clipped) {
        const long groups = keys.products / 2;
        uint16_t *scales = &keys.scale[position / ROWS * keys.products * ROWS + position % ROWS];
        for (long group = 0; group < groups; group++) {
            const long at = group * BLOCK;
            float x[BLOCK] = {}, rest[BLOCK];
            std::copy(k + at, k + std::min(at + BLOCK, size), x);
            const float s1 = round_fp16(scale_of(x, BLOCK), clipped);
            const float up = recip(tables, s1), down = mul(s1, -1);
            for (int j = 0; j < BLOCK; j++) {
                const float c1 = add(add(mul(x[j], up), ROUNDER), -ROUNDER);
                rest[j] = add(mul(c1, down), x[j]);
                keys.put(keys.bytes.data(), position, at + j, round_int8(c1));
            }
            const float s2 = round_fp16(scale_of(rest, BLOCK), clipped);
            const float up2 = recip(tables, s2);
            for (int j = 0; j < BLOCK; j++)
                keys.put(keys.bytes.data(), position, groups * BLOCK + at + j, round_int8(mul(rest[j], up2)));
            scales[group * ROWS] = fp16_bits(s1);
            scales[(groups + group) * ROWS] = fp16_bits(s2);
        }
    }

    void store_value(const Tables &tables, long position, const float *v, long size) {
        const float s = scale_of(v, size), up = recip(tables, s);
        for (long at = 0; at < size; at++) {
            const float t = mul(v[at], up), c1 = add(add(t, ROUNDER), -ROUNDER);
            values.put(values.bytes.data(), at, position, round_int8(c1));
            values.put(values.bytes.data(), size + at, position, round_int8(mul(add(mul(c1, -1), t), 256)));
        }
        v_scale[position] = s;
    }

    static float scale_of(const float *x, long count) { return mul(reduce_maxabs(x, count), float(1.0 / 127)); }
};

// Attention of several query vectors of one KV head; keeps its arrays from call to call.
class Attention {
    Aligned x;
    std::vector<float> w, y;

  public:
    bool nonfinite = false;

    // q: rows of key_dim elements, o: rows of value_dim; context c sees held[c] positions.
    void run(const Tables &tables, Head &head, float factor, const std::vector<const float *> &q, long key_dim,
             const std::vector<float *> &o, long value_dim, const std::vector<long> &held, int64_t &clipped) {
        const long contexts = q.size(), most = *std::max_element(held.begin(), held.end());
        y.resize(contexts * std::max(key_dim, 2 * value_dim));
        for (long c = 0; c < contexts; c++)
            std::copy(q[c], q[c] + key_dim, &y[c * key_dim]);
        x.set(y.data(), contexts, key_dim, key_dim, BLOCK, false);
        x.repeat(2);
        w.resize(contexts * most);
        head.keys.rows = most;
        multiply(head.keys, x, w.data(), most);
        for (long c = 0; c < contexts; c++)
            weigh(tables, &w[c * most], held[c], most, factor, head.v_scale.data());
        x.set(w.data(), contexts, most, most, BLOCK, false);
        nonfinite |= x.nonfinite;
        head.values.products = x.groups;
        multiply(head.values, x, y.data(), 2 * value_dim);
        for (long c = 0; c < contexts; c++)
            for (long at = 0; at < value_dim; at++) {
                const float *sums = &y[c * 2 * value_dim + at];
                o[c][at] = round_fp16(add(mul(sums[value_dim], 0x1p-8f), sums[0]), clipped);
            }
    }

  private:
    // Scores into weights, zeros from `count` to `most`.
    static void weigh(const Tables &tables, float *w, long count, long most, float factor, const float *v_scale) {
        const float least = mul(reduce_max(w, count), -factor);
        for (long at = 0; at < count; at++)
            w[at] = exp2(tables, add(mul(w[at], factor), least));
        const float z = recip(tables, reduce_sum(count, [=](long at) { return w[at]; }));
        for (long at = 0; at < count; at++)
            w[at] = mul(mul(w[at], z), v_scale[at]);
        std::fill(w + count, w + most, 0.0f);
    }
};

} // namespace dojang
