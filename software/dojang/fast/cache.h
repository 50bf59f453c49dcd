// Key/value cache of a KV head (docs/reference/numerics.md: Forward pass): rows that sequences share.
//
// A sequence has a range of them that begins at a multiple of BLOCK, so its groups and partial sums are those that it
// has alone.
#pragma once

#include <algorithm>

#include "matrix.h"

namespace dojang {

constexpr int BLOCK = 32;

struct Head {
    long key_dim, value_dim;
    Matrix keys;
    Matrix values;          // whose columns are the rows; codes of the first terms, then those of the second
    Memory<float> v_scale;  // of each row

    Head(long key_dim, long value_dim, long rows) : key_dim(key_dim), value_dim(value_dim), v_scale(rows) {
        keys.group = values.group = BLOCK;
        keys.rows = rows;
        keys.products = 2 * ((key_dim + BLOCK - 1) / BLOCK);
        keys.reserve(-127, 127);
        keys.scale = Memory<uint16_t>(keys.blocks() * keys.products * ROWS);
        values.rows = 2 * value_dim;
        values.products = (rows + BLOCK - 1) / BLOCK;
        values.reserve(-127, 127);
    }

    void store(const Tables &tables, long row, const float *k, const float *v, int64_t &clipped) {
        store_key(tables, row, k, clipped);
        store_value(tables, row, v);
    }

  private:
    void store_key(const Tables &tables, long row, const float *k, int64_t &clipped) {
        const long groups = keys.products / 2;
        uint16_t *scales = &keys.scale[row / ROWS * keys.products * ROWS + row % ROWS];
        for (long group = 0; group < groups; group++) {
            const long at = group * BLOCK;
            float x[BLOCK] = {}, rest[BLOCK];
            std::copy(k + at, k + std::min(at + BLOCK, key_dim), x);
            const float s1 = round_fp16(scale_of(x, BLOCK), clipped);
            const float up = recip(tables, s1), down = mul(s1, -1);
            for (int j = 0; j < BLOCK; j++) {
                const float c1 = add(add(mul(x[j], up), ROUNDER), -ROUNDER);
                rest[j] = add(mul(c1, down), x[j]);
                keys.put(keys.bytes.data(), row, at + j, round_int8(c1));
            }
            const float s2 = round_fp16(scale_of(rest, BLOCK), clipped);
            const float up2 = recip(tables, s2);
            for (int j = 0; j < BLOCK; j++)
                keys.put(keys.bytes.data(), row, groups * BLOCK + at + j, round_int8(mul(rest[j], up2)));
            scales[group * ROWS] = fp16_bits(s1);
            scales[(groups + group) * ROWS] = fp16_bits(s2);
        }
    }

    void store_value(const Tables &tables, long row, const float *v) {
        const float s = scale_of(v, value_dim), up = recip(tables, s);
        for (long at = 0; at < value_dim; at++) {
            const float t = mul(v[at], up), c1 = add(add(t, ROUNDER), -ROUNDER);
            values.put(values.bytes.data(), at, row, round_int8(c1));
            values.put(values.bytes.data(), value_dim + at, row, round_int8(mul(add(mul(c1, -1), t), 256)));
        }
        v_scale[row] = s;
    }

    static float scale_of(const float *x, long count) { return mul(reduce_maxabs(x, count), float(1.0 / 127)); }
};

} // namespace dojang
