// Attention of the query heads of a KV head (docs/reference/numerics.md: Forward pass).
#pragma once

#include "activations.h"
#include "cache.h"
#include "product.h"

namespace dojang {

// A query vector of key_dim elements, where its output of value_dim elements goes, and the positions of its sequence
// that it sees.
struct Query {
    const float *q;
    float *o;
    long first, end;
};

// Keeps its arrays from call to call.
class Attention {
    Cap cap;
    float factor; // of scores, towards powers of two
    Aligned x;
    std::vector<float> w, y;

  public:
    bool nonfinite = false;

    Attention(double score_scale, double score_cap)
        : cap(score_cap, score_scale), factor(float(cap ? LOG2_E : LOG2_E * score_scale)) {}

    // Of a sequence whose position 0 is in the row `start` of the head.
    //
    // What no query sees is not touched, but up to 31 positions before the first that one does: whole groups. A group
    // of zeros would add zero to sums that are never -0.
    void run(const Tables &tables, const Head &head, long start, const std::vector<Query> &queries, int64_t &clipped) {
        const long contexts = queries.size(), key_dim = head.key_dim, value_dim = head.value_dim;
        long first = queries[0].first, end = 0;
        for (const Query &query : queries)
            first = std::min(first, query.first), end = std::max(end, query.end);
        first = first / BLOCK * BLOCK;
        const long span = end - first;
        y.resize(contexts * std::max(key_dim, 2 * value_dim));
        for (long c = 0; c < contexts; c++)
            std::copy(queries[c].q, queries[c].q + key_dim, &y[c * key_dim]);
        x.set(y.data(), contexts, key_dim, key_dim, BLOCK, false);
        x.repeat(2);
        w.resize(contexts * span);
        multiply(head.keys, {start + first, span, 0}, x, w.data(), span);
        for (long c = 0; c < contexts; c++)
            weigh(tables, &w[c * span], queries[c].first - first, queries[c].end - first, span,
                  &head.v_scale[start + first]);
        x.set(w.data(), contexts, span, span, BLOCK, false);
        nonfinite |= x.nonfinite;
        multiply(head.values, {0, 2 * value_dim, (start + first) / BLOCK}, x, y.data(), 2 * value_dim);
        for (long c = 0; c < contexts; c++)
            for (long at = 0; at < value_dim; at++) {
                const float *sums = &y[c * 2 * value_dim + at];
                queries[c].o[at] = round_fp16(add(mul(sums[value_dim], 0x1p-8f), sums[0]), clipped);
            }
    }

  private:
    // Scores of `span` positions into weights of those from `first` to `end`, zeros elsewhere. They begin at a
    // multiple of 8.
    void weigh(const Tables &tables, float *w, long first, long end, long span, const float *v_scale) const {
        if (cap)
            for (long at = first; at < end; at++)
                w[at] = cap(tables, w[at]);
        std::fill(w, w + first, 0.0f);
        std::fill(w + end, w + span, 0.0f);
        const float least = mul(reduce_max(w + first, end - first), -factor);
        for (long at = first; at < end; at++)
            w[at] = exp2(tables, add(mul(w[at], factor), least));
        const float z = recip(tables, reduce_sum(end, [=](long at) { return w[at]; }));
        for (long at = first; at < end; at++)
            w[at] = mul(mul(w[at], z), v_scale[at]);
    }
};

} // namespace dojang
