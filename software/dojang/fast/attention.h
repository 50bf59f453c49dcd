// Key/value cache of a KV head and the attention of its query heads (docs/reference/numerics.md: Llama forward pass).
#pragma once

#include "product.h"

namespace dojang {

constexpr int BLOCK = 32;

struct Head {
    Matrix keys;            // rows are positions
    Matrix values;          // columns are positions; codes of the first terms, then those of the second
    Memory<float> v_scale;  // of each position

    Head() = default;
    Head(long size, long context) : v_scale(context) {
        keys.group = values.group = BLOCK;
        keys.rows = context;
        keys.products = 2 * size / BLOCK;
        keys.reserve(-127, 127);
        keys.scale = Memory<uint16_t>(keys.blocks() * keys.products * ROWS);
        values.rows = 2 * size;
        values.products = (context + BLOCK - 1) / BLOCK;
        values.reserve(-127, 127);
    }

    static float scale_of(const float *x, long count) { return mul(reduce_maxabs(x, count), float(1.0 / 127)); }

    void store(const Tables &tables, long position, const float *k, const float *v, long size,
               int64_t &clipped) {
        for (long at = 0; at < size; at += BLOCK) {
            const float s1 = round_fp16(scale_of(k + at, BLOCK), clipped);
            const float up = recip(tables, s1), down = mul(s1, -1);
            float rest[BLOCK];
            for (int j = 0; j < BLOCK; j++) {
                const float c1 = add(add(mul(k[at + j], up), ROUNDER), -ROUNDER);
                rest[j] = add(mul(c1, down), k[at + j]);
                keys.put(keys.bytes.data(), position, at + j, round_int8(c1));
            }
            const float s2 = round_fp16(scale_of(rest, BLOCK), clipped);
            const float up2 = recip(tables, s2);
            for (int j = 0; j < BLOCK; j++)
                keys.put(keys.bytes.data(), position, size + at + j, round_int8(mul(rest[j], up2)));
            uint16_t *scales = &keys.scale[position / ROWS * keys.products * ROWS + position % ROWS];
            scales[at / BLOCK * ROWS] = fp16_bits(s1);
            scales[(size + at) / BLOCK * ROWS] = fp16_bits(s2);
        }
        const float s = scale_of(v, size), up = recip(tables, s);
        for (long at = 0; at < size; at++) {
            const float t = mul(v[at], up), c1 = add(add(t, ROUNDER), -ROUNDER);
            values.put(values.bytes.data(), at, position, round_int8(c1));
            values.put(values.bytes.data(), size + at, position, round_int8(mul(add(mul(c1, -1), t), 256)));
        }
        v_scale[position] = s;
    }
};

// Attention of several query vectors of one KV head; keeps its arrays from call to call.
class Attention {
    Aligned x;
    std::vector<float> w, y;

  public:
    bool nonfinite = false;

    // q, o: [contexts][size], `stride` elements apart; context c sees held[c] positions, the last one the most.
    void run(const Tables &tables, Head &head, float factor, const std::vector<const float *> &q,
             const std::vector<float *> &o, const std::vector<long> &held, long size, int64_t &clipped) {
        const long contexts = q.size(), most = *std::max_element(held.begin(), held.end());
        y.resize(contexts * 2 * size);
        for (long c = 0; c < contexts; c++)
            std::copy(q[c], q[c] + size, &y[c * size]);
        x.set(y.data(), contexts, size, size, BLOCK, false);
        x.repeat(2);
        w.resize(contexts * most);
        head.keys.rows = most;
        multiply(head.keys, x, w.data(), most);
        for (long c = 0; c < contexts; c++)
            weigh(tables, &w[c * most], held[c], most, factor, head.v_scale.data());
        x.set(w.data(), contexts, most, most, BLOCK, false);
        nonfinite |= x.nonfinite;
        head.values.products = x.groups;
        multiply(head.values, x, y.data(), 2 * size);
        for (long c = 0; c < contexts; c++)
            for (long at = 0; at < size; at++) {
                const float *sums = &y[c * 2 * size + at];
                o[c][at] = round_fp16(add(mul(sums[size], 0x1p-8f), sums[0]), clipped);
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
