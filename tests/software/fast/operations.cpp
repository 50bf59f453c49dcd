// The parts of the compiled model one by one, for test_operations.py.
#include "activations.h"
#include "product.h"

using namespace dojang;

extern "C" {

void elements(int operation, const int64_t *exp2_table, const int64_t *recip_table, const int64_t *rsqrt_table,
              const float *a, const float *b, float *y, int64_t *clipped, int64_t count) {
    const Tables tables = {exp2_table, recip_table, rsqrt_table};
    for (int64_t at = 0; at < count; at++)
        switch (operation) {
        case 0: y[at] = add(a[at], b[at]); break;
        case 1: y[at] = mul(a[at], b[at]); break;
        case 2: y[at] = round_fp16(a[at], *clipped); break;
        case 3: y[at] = round_int8(a[at]); break;
        case 4: y[at] = exp2(tables, a[at]); break;
        case 5: y[at] = recip(tables, a[at]); break;
        case 6: y[at] = rsqrt(tables, a[at]); break;
        case 7: y[at] = silu(tables, a[at]); break;
        case 8: y[at] = gelu_tanh(tables, a[at]); break;
        case 9: y[at] = gelu_erf(tables, a[at]); break;
        case 10: y[at] = Cap(30, 0.3)(tables, a[at]); break;
        }
}

void reduce(int operation, const float *z, float *y, int64_t rows, int64_t count) {
    for (int64_t row = 0; row < rows; row++, z += count)
        y[row] = operation == 0   ? reduce_sum(count, [=](long at) { return z[at]; })
                 : operation == 1 ? reduce_max(z, count)
                                  : reduce_maxabs(z, count);
}

void align(const float *x, int64_t rows, int64_t count, int group, bool rotated, int16_t *q, float *factor,
           int32_t *total, bool *nonfinite) {
    Aligned aligned;
    aligned.set(x, rows, count, count, group, rotated);
    std::copy(aligned.q.begin(), aligned.q.end(), q);
    std::copy(aligned.factor.begin(), aligned.factor.end(), factor);
    std::copy(aligned.total.begin(), aligned.total.end(), total);
    *nonfinite = aligned.nonfinite;
}

// Rows from first_row on, `count` of them, with the groups of x, which lie from first_group on. scale: null for none,
// [rows] with row_scale; offset: null for none
void product(const int16_t *values, const uint16_t *scale, const uint16_t *offset, int64_t rows, int64_t products,
             int group, int terms, bool rotated, bool row_scale, int low, int high, const float *x, int64_t contexts,
             int64_t groups, int64_t first_row, int64_t count, int64_t first_group, float *y) {
    Matrix matrix;
    matrix.rows = rows, matrix.products = products, matrix.group = group, matrix.terms = terms;
    matrix.reserve(low, high);
    matrix.fill(0, rows, values);
    matrix.row_scale = row_scale;
    if (scale)
        matrix.scale = matrix.lanes(scale, row_scale ? 1 : products);
    if (offset)
        matrix.offset = matrix.lanes(offset, products);
    Aligned aligned;
    aligned.set(x, contexts, groups * group, groups * group, group, rotated);
    multiply(matrix, {first_row, count, first_group}, aligned, y, count);
}

}
