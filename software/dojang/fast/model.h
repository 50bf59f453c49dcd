// Forward pass of a model with the chip's numerics (docs/reference/numerics.md: Forward pass).
#pragma once

#include "attention.h"
#include "names.h"
#include "norms.h"

namespace dojang {

// All tensors of a name; those that the model does not have are empty.
struct Tensors {
    Matrix matrix;
    Rows gain, bias;
};

struct Layer {
    Tensors tensors[Part::COUNT];
    int64_t clipped[Rounded::COUNT] = {};
    int64_t kind = 0;
    std::vector<Head> heads;
};

// Rows C and S of the tokens' positions, [tokens][key_dim]; null: a kind of layer without rotation.
struct Turn {
    const float *C, *S;
};

// Tokens of a pass that follow one another in a sequence: from `position` on, where position 0 is in the row `start`.
struct Stretch {
    int64_t start, position, tokens;
};

typedef std::vector<Stretch> Stretches;

class Model {
    std::vector<int64_t> coefficients, windows; // windows: of the kinds
    Tables tables;
    Attention attention;
    Aligned aligned;

  public:
    const Sizes sizes;
    std::vector<Layer> layers;
    Layer own; // what is the model's and not a layer's

    Model(const Sizes &sizes, int64_t kinds, const int64_t *windows, const int64_t *pattern, const int64_t *exp2,
          const int64_t *recip, const int64_t *rsqrt)
        : windows(windows, windows + kinds), attention(sizes.score_scale, sizes.score_cap), sizes(sizes),
          layers(sizes.layers) {
        constexpr int TABLE = 3 * 128;
        coefficients.assign(exp2, exp2 + TABLE);
        coefficients.insert(coefficients.end(), recip, recip + TABLE);
        coefficients.insert(coefficients.end(), rsqrt, rsqrt + 2 * TABLE);
        tables = {coefficients.data(), coefficients.data() + TABLE, coefficients.data() + 2 * TABLE};
        for (Layer &layer : layers) {
            layer.kind = *pattern++;
            for (int64_t head = 0; head < sizes.kv_heads; head++)
                layer.heads.emplace_back(sizes.key_dim, sizes.value_dim, sizes.rows);
        }
    }

    bool nonfinite() const { return aligned.nonfinite || attention.nonfinite; }

    // x: embedding rows; positions: rows that are added to them, or null; turns: of the kinds; logits [tokens][vocab]
    void forward(Rows x, const Stretches &stretches, const float *positions, const Turn *turns, float *logits) {
        const long tokens = x.size() / sizes.d;
        scale(x, sizes.embedding_scale);
        if (positions)
            accumulate(x, positions);
        for (Layer &layer : layers) {
            attend(layer, x, stretches, turns[layer.kind]);
            feed_forward(layer, x, tokens);
        }
        Rows y = linear(own, Part::output, normed(own, Part::output_norm, Rounded::output_norm, x), tokens);
        scale(y, sizes.logit_scale);
        if (const Cap cap(sizes.logit_cap, 1); cap)
            for (float &logit : y)
                logit = cap(tables, logit);
        std::copy(y.begin(), y.end(), logits);
    }

  private:
    static void scale(Rows &x, double factor) {
        if (factor != 1)
            for (float &element : x)
                element = mul(element, float(factor));
    }

    static void accumulate(Rows &x, const float *y) {
        for (float &element : x)
            element = add(element, *y++);
    }

    // Leaves x as it is where there is no such norm.
    void normalise(const Layer &layer, Part::Number part, Rows &x, bool centred) const {
        const Tensors &norm = layer.tensors[part];
        if (!norm.gain.empty())
            dojang::normalise(tables, x, norm.gain, norm.bias, centred, float(sizes.eps));
    }

    // In FP16.
    Rows normed(Layer &layer, Part::Number part, Rounded::Number rounded, Rows x) const {
        normalise(layer, part, x, sizes.centred);
        round_fp16(x, layer.clipped[rounded]);
        return x;
    }

    Rows linear(const Layer &layer, Part::Number part, const Rows &x, long tokens) {
        const auto &[matrix, gain, bias] = layer.tensors[part];
        const long count = x.size() / tokens;
        Rows y(tokens * matrix.rows);
        aligned.set(x.data(), tokens, count, count, matrix.group, matrix.rotated);
        multiply(matrix, {0, matrix.rows, 0}, aligned, y.data(), matrix.rows);
        if (!bias.empty())
            for (size_t row = 0; row < y.size(); row += bias.size())
                for (size_t at = 0; at < bias.size(); at++)
                    y[row + at] = add(y[row + at], bias[at]);
        return y;
    }

    // Adds what a half of a layer gives.
    void added(const Layer &layer, Rows &x, Rows y, Part::Number norm) const {
        normalise(layer, norm, y, sizes.centred);
        scale(y, sizes.residual_scale);
        accumulate(x, y.data());
    }

    // Queries or keys, x·C + swap(x)·S of every head.
    void rotate(Rows &x, long tokens, const Turn &turn) const {
        if (!turn.C)
            return;
        const long dim = sizes.key_dim, across = x.size() / tokens;
        for (size_t at = 0; at < x.size(); at += 2) {
            const long row = at / across * dim + at % across % dim;
            const float a = x[at], b = x[at + 1];
            x[at] = add(mul(a, turn.C[row]), mul(b, turn.S[row]));
            x[at + 1] = add(mul(b, turn.C[row + 1]), mul(a, turn.S[row + 1]));
        }
    }

    void attend(Layer &layer, Rows &x, const Stretches &stretches, const Turn &turn) {
        const long tokens = x.size() / sizes.d;
        const long group = sizes.heads / sizes.kv_heads, window = windows[layer.kind];
        const Rows h = normed(layer, Part::attn_norm, Rounded::attn_norm, x);
        Rows q = linear(layer, Part::attn_q, h, tokens), k = linear(layer, Part::attn_k, h, tokens);
        const Rows v = linear(layer, Part::attn_v, h, tokens);
        normalise(layer, Part::attn_q_norm, q, false);
        normalise(layer, Part::attn_k_norm, k, false);
        rotate(q, tokens, turn);
        rotate(k, tokens, turn);
        round_fp16(q, layer.clipped[Rounded::q]);
        Rows o(tokens * sizes.heads * sizes.value_dim);
        for (long kv_head = 0; kv_head < sizes.kv_heads; kv_head++) {
            Head &head = layer.heads[kv_head];
            long token = 0;
            for (const Stretch &stretch : stretches) {
                std::vector<Query> queries;
                const long behind = stretch.position + stretch.tokens;
                for (long position = stretch.position; position < behind; position++, token++) {
                    const long at = token * sizes.kv_heads + kv_head, end = position + 1;
                    const long first = window ? std::max(0L, end - window) : 0;
                    head.store(tables, stretch.start + position, &k[at * sizes.key_dim], &v[at * sizes.value_dim],
                               layer.clipped[Rounded::k_scale]);
                    for (long query = kv_head * group; query < (kv_head + 1) * group; query++) {
                        const long row = token * sizes.heads + query;
                        queries.push_back({&q[row * sizes.key_dim], &o[row * sizes.value_dim], first, end});
                    }
                }
                attention.run(tables, head, stretch.start, queries, layer.clipped[Rounded::o]);
            }
        }
        added(layer, x, linear(layer, Part::attn_output, o, tokens), Part::post_attention_norm);
    }

    void feed_forward(Layer &layer, Rows &x, long tokens) {
        const Rows h = normed(layer, Part::ffn_norm, Rounded::ffn_norm, x);
        Rows a = linear(layer, Part::ffn_up, h, tokens);
        if (layer.tensors[Part::ffn_gate].matrix.rows) {
            const Rows up = std::move(a);
            a = linear(layer, Part::ffn_gate, h, tokens);
            activate(a);
            for (size_t at = 0; at < a.size(); at++)
                a[at] = mul(a[at], up[at]);
        } else
            activate(a);
        round_fp16(a, layer.clipped[Rounded::a]);
        added(layer, x, linear(layer, Part::ffn_down, a, tokens), Part::post_ffw_norm);
    }

    void activate(Rows &x) const {
        const auto each = [&](auto function) {
            for (float &element : x)
                element = function(tables, element);
        };
        if (sizes.activation == Function::silu)
            each([](const Tables &tables, float n) { return silu(tables, n); });
        else if (sizes.activation == Function::gelu_tanh)
            each([](const Tables &tables, float n) { return gelu_tanh(tables, n); });
        else
            each([](const Tables &tables, float n) { return gelu_erf(tables, n); });
    }
};

} // namespace dojang
