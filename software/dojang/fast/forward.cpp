// Forward pass of a Llama-family model with the chip's numerics (docs/reference/numerics.md: Forward pass).

#include "attention.h"

using namespace dojang;

namespace {

// As `Sizes` of model.py.
struct Sizes {
    int64_t layers, d, heads, kv_heads, key_dim, value_dim, ffn, vocab, context;
    float mean_factor, eps, score_factor, sigmoid_factor;
};

// As `Layout` of model.py.
struct Layout {
    int64_t rows, products, group, terms, rotated, row_scale, low, high;
};

enum Kind { Q, K, V, OUTPUT, GATE, UP, DOWN, KINDS };

// Values that are rounded to FP16, in their order, as `ROUNDED` of model.py.
enum Rounded { ATTN_NORM, QUERIES, K_SCALE, ATTENDED, FFN_NORM, ACTIVATION, PLACES };

struct Layer {
    Matrix matrices[KINDS];
    std::vector<float> attn_norm, ffn_norm;
    std::vector<Head> heads;
    int64_t clipped[PLACES] = {};
};

typedef std::vector<float> Rows; // [tokens][elements]

struct Model {
    Sizes sizes;
    std::vector<int64_t> coefficients;
    Tables tables;
    std::vector<Layer> layers;
    Matrix head;
    std::vector<float> output_norm;
    int64_t clipped = 0;    // of output_norm
    Aligned aligned;
    Attention attention;

    Model(const Sizes &sizes, const int64_t *exp2, const int64_t *recip, const int64_t *rsqrt)
        : sizes(sizes), layers(sizes.layers) {
        constexpr int TABLE = 3 * 128;
        coefficients.assign(exp2, exp2 + TABLE);
        coefficients.insert(coefficients.end(), recip, recip + TABLE);
        coefficients.insert(coefficients.end(), rsqrt, rsqrt + 2 * TABLE);
        tables = {coefficients.data(), coefficients.data() + TABLE, coefficients.data() + 2 * TABLE};
        for (Layer &layer : layers)
            for (int64_t head = 0; head < sizes.kv_heads; head++)
                layer.heads.emplace_back(sizes.key_dim, sizes.value_dim, sizes.context);
    }

    Matrix &matrix(int64_t layer, int64_t kind) { return layer < 0 ? head : layers[layer].matrices[kind]; }

    void product(const Matrix &matrix, const Rows &x, long tokens, float *y) {
        const long count = x.size() / tokens;
        aligned.set(x.data(), tokens, count, count, matrix.group, matrix.rotated);
        multiply(matrix, aligned, y, matrix.rows);
    }

    Rows product(const Matrix &matrix, const Rows &x, long tokens) {
        Rows y(tokens * matrix.rows);
        product(matrix, x, tokens, y.data());
        return y;
    }

    Rows norm(const Rows &x, const std::vector<float> &gain, int64_t &clipped) {
        Rows h(x.size());
        const long d = gain.size();
        for (size_t row = 0; row < x.size(); row += d) {
            const float *from = &x[row];
            const float sum = reduce_sum(d, [=](long at) { return mul(from[at], from[at]); });
            const float r = rsqrt(tables, add(mul(sum, sizes.mean_factor), sizes.eps));
            for (long at = 0; at < d; at++)
                h[row + at] = round_fp16(mul(mul(from[at], r), gain[at]), clipped);
        }
        return h;
    }

    // x·C + swap(x)·S of every head
    void rotate(Rows &x, long tokens, const float *C, const float *S) {
        const long dim = sizes.key_dim, across = x.size() / tokens;
        for (size_t at = 0; at < x.size(); at += 2) {
            const long row = at / across * dim + at % across % dim;
            const float a = x[at], b = x[at + 1];
            x[at] = add(mul(a, C[row]), mul(b, S[row]));
            x[at + 1] = add(mul(b, C[row + 1]), mul(a, S[row + 1]));
        }
    }

    static void accumulate(Rows &x, const Rows &y) {
        for (size_t at = 0; at < x.size(); at++)
            x[at] = add(x[at], y[at]);
    }

    void attend(Layer &layer, Rows &x, long tokens, long position, const float *C, const float *S) {
        const long key_dim = sizes.key_dim, value_dim = sizes.value_dim, group = sizes.heads / sizes.kv_heads;
        const Rows h = norm(x, layer.attn_norm, layer.clipped[ATTN_NORM]);
        Rows q = product(layer.matrices[Q], h, tokens), k = product(layer.matrices[K], h, tokens);
        const Rows v = product(layer.matrices[V], h, tokens);
        rotate(q, tokens, C, S);
        rotate(k, tokens, C, S);
        for (float &element : q)
            element = round_fp16(element, layer.clipped[QUERIES]);
        Rows o(tokens * sizes.heads * value_dim);
        for (long kv_head = 0; kv_head < sizes.kv_heads; kv_head++) {
            Head &head = layer.heads[kv_head];
            std::vector<const float *> from;
            std::vector<float *> to;
            std::vector<long> held;
            for (long token = 0; token < tokens; token++) {
                const long at = token * sizes.kv_heads + kv_head;
                head.store(tables, position + token, &k[at * key_dim], key_dim, &v[at * value_dim], value_dim,
                           layer.clipped[K_SCALE]);
                for (long query = kv_head * group; query < (kv_head + 1) * group; query++) {
                    from.push_back(&q[(token * sizes.heads + query) * key_dim]);
                    to.push_back(&o[(token * sizes.heads + query) * value_dim]);
                    held.push_back(position + token + 1);
                }
            }
            attention.run(tables, head, sizes.score_factor, from, key_dim, to, value_dim, held,
                          layer.clipped[ATTENDED]);
        }
        accumulate(x, product(layer.matrices[OUTPUT], o, tokens));
    }

    void feed_forward(Layer &layer, Rows &x, long tokens) {
        const Rows h = norm(x, layer.ffn_norm, layer.clipped[FFN_NORM]);
        const Rows up = product(layer.matrices[UP], h, tokens);
        Rows a = product(layer.matrices[GATE], h, tokens);
        for (size_t at = 0; at < a.size(); at++) {
            const float e = exp2(tables, mul(a[at], sizes.sigmoid_factor));
            a[at] = round_fp16(mul(mul(recip(tables, add(e, 1)), a[at]), up[at]), layer.clipped[ACTIVATION]);
        }
        accumulate(x, product(layer.matrices[DOWN], a, tokens));
    }

    void forward(Rows x, long tokens, long position, const float *C, const float *S, float *logits) {
        for (Layer &layer : layers) {
            attend(layer, x, tokens, position, C, S);
            feed_forward(layer, x, tokens);
        }
        product(head, norm(x, output_norm, clipped), tokens, logits);
    }
};

} // namespace

extern "C" {

// Pointers are to C-contiguous arrays that are copied. Null or false: there is not enough memory.

void *dojang_fast_open(const Sizes *sizes, const int64_t *exp2, const int64_t *recip, const int64_t *rsqrt) {
    try {
        return new Model(*sizes, exp2, recip, rsqrt);
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

void dojang_fast_close(void *model) { delete static_cast<Model *>(model); }

// scale: FP16 [rows][products], or [rows] with row_scale; offset: null or as scale. Layer -1 has the head.
bool dojang_fast_matrix(void *model, int64_t layer, int64_t kind, const Layout *layout, const uint16_t *scale,
                        const uint16_t *offset) {
    try {
        Matrix &matrix = static_cast<Model *>(model)->matrix(layer, kind);
        matrix.rows = layout->rows, matrix.products = layout->products;
        matrix.group = layout->group, matrix.terms = layout->terms;
        matrix.rotated = layout->rotated, matrix.row_scale = layout->row_scale;
        matrix.reserve(layout->low, layout->high);
        matrix.scale = matrix.lanes(scale, layout->row_scale ? 1 : layout->products);
        if (offset)
            matrix.offset = matrix.lanes(offset, layout->products);
        return true;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

// Integers [count][products][group] of the rows from `first` on, each row once.
void dojang_fast_fill(void *model, int64_t layer, int64_t kind, int64_t first, int64_t count, const int16_t *values) {
    static_cast<Model *>(model)->matrix(layer, kind).fill(first, count, values);
}

bool dojang_fast_rescale(void *model, int64_t layer, int64_t kind, const uint16_t *scale) {
    try {
        Matrix &matrix = static_cast<Model *>(model)->matrix(layer, kind);
        matrix.scale = matrix.lanes(scale, matrix.row_scale ? 1 : matrix.products);
        return true;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

// Gains of the norm before attention (0) or feed forward (1); layer -1 has the one before the head.
void dojang_fast_gain(void *model, int64_t layer, int64_t which, const float *gain) {
    Model &to = *static_cast<Model *>(model);
    (layer < 0 ? to.output_norm : which ? to.layers[layer].ffn_norm : to.layers[layer].attn_norm)
        .assign(gain, gain + to.sizes.d);
}

// x: embedding rows; C, S: [tokens][key_dim]; logits: [tokens][vocab].
bool dojang_fast_forward(void *model, const float *x, int64_t tokens, int64_t position, const float *C, const float *S,
                         float *logits) {
    try {
        Model &to = *static_cast<Model *>(model);
        to.forward(Rows(x, x + tokens * to.sizes.d), tokens, position, C, S, logits);
        return true;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

// counts: [layers][PLACES], then output_norm's
void dojang_fast_clipped(const void *model, int64_t *counts) {
    const Model &of = *static_cast<const Model *>(model);
    for (const Layer &layer : of.layers)
        counts = std::copy(layer.clipped, layer.clipped + PLACES, counts);
    *counts = of.clipped;
}

bool dojang_fast_nonfinite(const void *model) {
    const Model &of = *static_cast<const Model *>(model);
    return of.aligned.nonfinite || of.attention.nonfinite;
}

}
