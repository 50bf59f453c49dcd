// The model as library.py calls it.

#include "model.h"

using namespace dojang;

namespace {

// As `Layout` of library.py.
struct Layout {
    int64_t rows, products, group, terms, rotated, row_scale, low, high;
};

Model &model_of(void *model) { return *static_cast<Model *>(model); }

Tensors &tensors_of(void *model, int64_t layer, int64_t part) {
    Model &of = model_of(model);
    return (layer < 0 ? of.own : of.layers[layer]).tensors[part];
}

// Whether there was enough memory.
template <typename Function> bool try_to(Function f) {
    try {
        f();
        return true;
    } catch (const std::bad_alloc &) {
        return false;
    }
}

} // namespace

extern "C" {

// Pointers are to C-contiguous arrays that are copied; part: a number of `Part`; layer -1: of the model. Null or false:
// there is not enough memory.

const char *dojang_fast_parts() { return Part::names(); }
const char *dojang_fast_rounded() { return Rounded::names(); }
const char *dojang_fast_functions() { return Function::names(); }

// windows: [kinds]; pattern: [layers]
void *dojang_fast_open(const Sizes *sizes, int64_t kinds, const int64_t *windows, const int64_t *pattern,
                       const int64_t *exp2, const int64_t *recip, const int64_t *rsqrt) {
    Model *model = nullptr;
    try_to([&] { model = new Model(*sizes, kinds, windows, pattern, exp2, recip, rsqrt); });
    return model;
}

void dojang_fast_close(void *model) { delete static_cast<Model *>(model); }

// scale: FP16 [rows][products], or [rows] with row_scale; offset: null or as scale.
bool dojang_fast_matrix(void *model, int64_t layer, int64_t part, const Layout *layout, const uint16_t *scale,
                        const uint16_t *offset) {
    return try_to([=] {
        Matrix &matrix = tensors_of(model, layer, part).matrix;
        matrix.rows = layout->rows, matrix.products = layout->products;
        matrix.group = layout->group, matrix.terms = layout->terms;
        matrix.rotated = layout->rotated, matrix.row_scale = layout->row_scale;
        matrix.reserve(layout->low, layout->high);
        matrix.scale = matrix.lanes(scale, layout->row_scale ? 1 : layout->products);
        if (offset)
            matrix.offset = matrix.lanes(offset, layout->products);
    });
}

// Integers [count][products][group] of the rows from `first` on, each row once.
void dojang_fast_fill(void *model, int64_t layer, int64_t part, int64_t first, int64_t count, const int16_t *values) {
    tensors_of(model, layer, part).matrix.fill(first, count, values);
}

bool dojang_fast_rescale(void *model, int64_t layer, int64_t part, const uint16_t *scale) {
    return try_to([=] {
        Matrix &matrix = tensors_of(model, layer, part).matrix;
        matrix.scale = matrix.lanes(scale, matrix.row_scale ? 1 : matrix.products);
    });
}

// Gains, or a bias.
bool dojang_fast_vector(void *model, int64_t layer, int64_t part, bool bias, int64_t count, const float *values) {
    return try_to([=] {
        Tensors &tensors = tensors_of(model, layer, part);
        (bias ? tensors.bias : tensors.gain).assign(values, values + count);
    });
}

// x: embedding rows; stretches: [count], of as many tokens in all; positions: as x, or null; turns: [kinds]; logits:
// [tokens][vocab].
bool dojang_fast_forward(void *model, const float *x, int64_t tokens, const Stretch *stretches, int64_t count,
                         const float *positions, const Turn *turns, float *logits) {
    return try_to([=] {
        Model &to = model_of(model);
        to.forward(Rows(x, x + tokens * to.sizes.d), Stretches(stretches, stretches + count), positions, turns, logits);
    });
}

// counts: [layers, then the model][Rounded]
void dojang_fast_clipped(void *model, int64_t *counts) {
    const Model &of = model_of(model);
    for (const Layer &layer : of.layers)
        counts = std::copy(layer.clipped, layer.clipped + Rounded::COUNT, counts);
    std::copy(of.own.clipped, of.own.clipped + Rounded::COUNT, counts);
}

bool dojang_fast_nonfinite(void *model) { return model_of(model).nonfinite(); }

}
