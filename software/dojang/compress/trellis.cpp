// Viterbi search of the window codes (dojang_hdl.window_code). Integer metrics: every machine finds the same symbols.
//
// A window is (state << BITS) | x. The step drops its top BITS bits, h, and keeps a state s = (j << BITS) | x, whose
// 2^BITS predecessors are (h << (WINDOW - 2 BITS)) | j. With j along a register and x outside, predecessors are plain
// loads; the survivors are put in the order of s at the end of a step. h travels in the lowest BITS bits of a metric.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16;
typedef uint32_t Lanes __attribute__((vector_size(4 * LANES)));
typedef float Floats __attribute__((vector_size(4 * LANES)));

constexpr uint32_t FAR = 1u << 29;        // metric that no state worth keeping has
constexpr int LARGEST_COST = 25;          // log2 of a step's largest cost: STEPS of them are FAR
constexpr int STEPS = 16;                 // steps between two normalisations of the metrics
constexpr double FARTHEST_TARGET = 1e4;   // in scales; beyond it nothing changes

// table[index mod 16], lane by lane
inline Lanes lookup(Lanes table, Lanes index) {
#if defined(__AVX512F__)
    return __builtin_shuffle(table, index);
#elif defined(__AVX2__)
    __m256i part[2], entry[2], at[2];
    std::memcpy(entry, &table, sizeof table);
    std::memcpy(at, &index, sizeof index);
    for (int half = 0; half < 2; half++) {
        __m256 low = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(entry[0], at[half]));
        __m256 high = _mm256_castsi256_ps(_mm256_permutevar8x32_epi32(entry[1], at[half]));
        part[half] = _mm256_castps_si256(
            _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at[half], 28))));
    }
    Lanes result;
    std::memcpy(&result, part, sizeof result);
    return result;
#else
    Lanes result;
    for (int lane = 0; lane < LANES; lane++)
        result[lane] = table[index[lane] & (LANES - 1)];
    return result;
#endif
}

// table[index mod 32] of a table of two registers
inline Lanes lookup(Lanes low, Lanes high, Lanes index) {
#if defined(__AVX512F__)
    return __builtin_shuffle(low, high, index);
#else
    Lanes upper = (index & 16) != 0;
    return (lookup(low, index) & ~upper) | (lookup(high, index) & upper);
#endif
}

inline Lanes smaller(Lanes a, Lanes b) { return a < b ? a : b; }

// What a row asks for: costs are factor * (target - (2Q - maximum))^2, less the smallest.
struct Wish {
    double factor, target, least, span;
};

struct Encoder {
    virtual ~Encoder() = default;
    virtual void column(const Wish *wishes, long rows, uint8_t *symbols, long symbol_stride, uint8_t *levels,
                        long level_stride) const = 0;
    int maximum = 0;
    int outputs = 1;
};

// OUTPUTS weights of a step; levels of a weight fit in 16 * TABLES.
template <int WINDOW, int BITS, int OUTPUTS, int TABLES> struct Kernel final : Encoder {
    static constexpr int BRANCHES = 1 << BITS;
    static constexpr int STATES = 1 << (WINDOW - BITS);
    static constexpr int SPAN = 1 << (WINDOW - 2 * BITS);      // values of j
    static constexpr bool PAIRED = SPAN < LANES;               // a register holds all j for x = m and for x = m + 16
    static constexpr int GROUPS = PAIRED ? 1 : SPAN / LANES;
    static constexpr int RESULTS = PAIRED ? LANES : BRANCHES;  // registers of a group
    static constexpr int REGISTERS = STATES / LANES;
    static constexpr int FIELDS = BITS == 2 ? 16 : BITS == 5 ? 4 : 8; // h in a word of the trace, the first highest
    static constexpr int WORDS = REGISTERS / FIELDS;
    static constexpr uint32_t DROPPED = BRANCHES - 1;
    static_assert(!PAIRED || (SPAN * 2 == LANES && BRANCHES == 2 * LANES));

    std::vector<uint8_t> values;                  // [weight][window]: Q
    alignas(64) Lanes index[REGISTERS][BRANCHES]; // Q of the branches; a second weight's is above bit 4

    explicit Kernel(const uint8_t *table) : values(table, table + (OUTPUTS << WINDOW)) {
        for (int result = 0; result < REGISTERS; result++)
            for (int h = 0; h < BRANCHES; h++)
                for (int lane = 0; lane < LANES; lane++) {
                    int window = h << (WINDOW - BITS) | state(result, lane);
                    index[result][h][lane] = values[window];
                    if (OUTPUTS == 2)
                        index[result][h][lane] |= values[(1 << WINDOW) + window] << 4;
                }
        maximum = *std::max_element(values.begin(), values.end());
        outputs = OUTPUTS;
    }

    // The state that lane `lane` of result register `result` stands for, and back.
    static int state(int result, int lane) {
        if (PAIRED)
            return lane % SPAN << BITS | lane / SPAN << 4 | result;
        return (result / BRANCHES * LANES + lane) << BITS | result % BRANCHES;
    }

    static void place(int state, int &result, int &lane) {
        int j = state >> BITS, x = state & (BRANCHES - 1);
        result = PAIRED ? x % LANES : j / LANES * BRANCHES + x;
        lane = PAIRED ? x / LANES * SPAN + j : j % LANES;
    }

    // Registers of one x each (j along the lanes) into the order of (j, x).
    template <int COUNT> static void interleave(const Lanes *from, int stride, Lanes *to) {
        if constexpr (COUNT == 1) {
            to[0] = from[0];
        } else {
            constexpr int HALF = COUNT / 2;
            Lanes even[HALF], odd[HALF];
            interleave<HALF>(from, 2 * stride, even);
            interleave<HALF>(from + stride, 2 * stride, odd);
            for (int at = 0; at < HALF; at++) {
                to[2 * at] = __builtin_shuffle(even[at], odd[at],
                                               Lanes{0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23});
                to[2 * at + 1] = __builtin_shuffle(even[at], odd[at],
                                                   Lanes{8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31});
            }
        }
    }

    static Lanes cost(const Lanes *costs, Lanes which) {
        if constexpr (TABLES == 2)
            return lookup(costs[0], costs[1], which);
        Lanes sum = lookup(costs[0], which);
        if constexpr (OUTPUTS == 2)
            sum += lookup(costs[1], which >> 4);
        return sum;
    }

    void step(const Lanes *costs, const Lanes *old, Lanes *fresh, Lanes *trace) const {
        Lanes packed = {};
        for (int group = 0; group < GROUPS; group++) {
            Lanes before[BRANCHES], results[RESULTS];
            for (int h = 0; h < BRANCHES; h++) {
                if constexpr (PAIRED) {
                    Lanes both = old[h / 2];
                    before[h] = h % 2 ? __builtin_shuffle(both, Lanes{8, 9, 10, 11, 12, 13, 14, 15,
                                                                      8, 9, 10, 11, 12, 13, 14, 15})
                                      : __builtin_shuffle(both, Lanes{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7});
                } else {
                    before[h] = old[h * GROUPS + group];
                }
                before[h] = (before[h] & ~DROPPED) | h;
            }
#pragma GCC unroll 4
            for (int at = 0; at < RESULTS; at++) {
                const int result = group * RESULTS + at;
                Lanes best = before[0] + cost(costs, index[result][0]);
#pragma GCC unroll 32
                for (int h = 1; h < BRANCHES; h++)
                    best = smaller(best, before[h] + cost(costs, index[result][h]));
                packed = packed << BITS | (best & DROPPED);
                if (at % FIELDS == FIELDS - 1 || (RESULTS < FIELDS && result % FIELDS == FIELDS - 1))
                    trace[result / FIELDS] = packed;
                results[at] = best;
            }
            if constexpr (PAIRED) {
                Lanes rows[LANES]; // row (x / 16, j), lane x mod 16
                interleave<LANES>(results, 1, rows);
                for (int row = 0; row < LANES; row++)
                    fresh[row % SPAN * 2 + row / SPAN] = rows[row];
            } else {
                interleave<RESULTS>(results, 1, fresh + group * RESULTS);
            }
        }
    }

    // Subtracts the smallest metric and multiplies by 2^shift.
    static void normalise(Lanes *metrics, int shift) {
        Lanes least = metrics[0];
        for (int at = 1; at < REGISTERS; at++)
            least = smaller(least, metrics[at]);
        uint32_t smallest = least[0];
        for (int lane = 1; lane < LANES; lane++)
            smallest = std::min(smallest, uint32_t(least[lane]));
        const int up = std::clamp(shift, 0, 29), down = std::clamp(-shift, 0, 31);
        const Lanes far = Lanes{} + (FAR >> up);
        for (int at = 0; at < REGISTERS; at++)
            metrics[at] = (smaller(metrics[at] - smallest, far) << up) >> down;
    }

    // Costs of the levels of one row, in units of 2^-exponent, as multiples of BRANCHES.
    void price(const Wish &wish, int exponent, Lanes *costs) const {
        constexpr float LIMIT = (1 << (LARGEST_COST - BITS)) / OUTPUTS;
        const float factor = std::ldexp(wish.factor, exponent);
        for (int part = 0; part < TABLES; part++) {
            Floats prices;
            for (int lane = 0; lane < LANES; lane++) {
                float distance = 2 * (part * LANES + lane) - maximum - float(wish.target);
                prices[lane] = std::min(factor * std::max(distance * distance - float(wish.least), 0.f), LIMIT);
            }
            costs[part] = __builtin_convertvector(prices + 0.5f, Lanes) << BITS;
        }
    }

    void column(const Wish *wishes, long rows, uint8_t *symbols, long symbol_stride, uint8_t *levels,
                long level_stride) const override {
        const long steps = (rows + OUTPUTS - 1) / OUTPUTS;
        thread_local std::unique_ptr<Lanes[]> trace;
        thread_local long room = 0;
        if (room < steps * WORDS) {
            trace.reset(new Lanes[steps * WORDS]);
            room = steps * WORDS;
        }
        alignas(64) Lanes metrics[2][REGISTERS];
        for (int at = 0; at < REGISTERS; at++)
            metrics[0][at] = Lanes{} + FAR;
        metrics[0][0][0] = 0;
        int exponent = 0;
        for (long start = 0; start < steps; start += STEPS) {
            const long end = std::min(start + STEPS, steps);
            double largest = 0;
            for (long row = start * OUTPUTS; row < std::min(end * OUTPUTS, rows); row++)
                largest = std::max(largest, wishes[row].span);
            if (largest > 0) {
                const int wanted = std::ilogb((1 << (LARGEST_COST - BITS)) / OUTPUTS / largest);
                normalise(metrics[start % 2], start ? wanted - exponent : 0);
                exponent = wanted;
            }
            for (long now = start; now < end; now++) {
                Lanes costs[OUTPUTS * TABLES] = {};
                for (int output = 0; output < OUTPUTS && now * OUTPUTS + output < rows; output++)
                    price(wishes[now * OUTPUTS + output], exponent, costs + output);
                step(costs, metrics[now % 2], metrics[(now + 1) % 2], &trace[now * WORDS]);
            }
        }
        const Lanes *last = metrics[steps % 2];
        int at = 0;
        for (int candidate = 1; candidate < STATES; candidate++)
            if (last[candidate / LANES][candidate % LANES] < last[at / LANES][at % LANES])
                at = candidate;
        const uint32_t *words = reinterpret_cast<const uint32_t *>(trace.get());
        for (long now = steps - 1; now >= 0; now--) {
            int result, lane;
            place(at, result, lane);
            const uint32_t word = words[(now * WORDS + result / FIELDS) * LANES + lane];
            const int h = word >> (BITS * (FIELDS - 1 - result % FIELDS)) & DROPPED, window = h << (WINDOW - BITS) | at;
            symbols[now * symbol_stride] = at & (BRANCHES - 1);
            for (int output = 0; output < OUTPUTS && now * OUTPUTS + output < rows; output++)
                levels[(now * OUTPUTS + output) * level_stride] = values[(output << WINDOW) + window];
            at = window >> BITS;
        }
    }
};

} // namespace

extern "C" {

// An encoder of a code with `values` [outputs][2^window]; null if there is none of this size.
void *dojang_trellis_open(int window, int bits, int outputs, const uint8_t *values) {
    const int largest = *std::max_element(values, values + (outputs << window));
    if (window == 12 && bits == 2 && outputs == 1 && largest < 16)
        return new Kernel<12, 2, 1, 1>(values);
    if (window == 13 && bits == 5 && outputs == 2 && largest < 16)
        return new Kernel<13, 5, 2, 1>(values);
    if (window == 12 && bits == 3 && outputs == 1 && largest < 16)
        return new Kernel<12, 3, 1, 1>(values);
    if (window == 12 && bits == 4 && outputs == 1 && largest < 32)
        return new Kernel<12, 4, 1, 2>(values);
    return nullptr;
}

// target, mask (or null): [rows, columns] with these strides in elements; scale: [rows].
// symbols: [steps, columns], levels: [rows, columns], packed.
void dojang_trellis_encode(const void *handle, const float *target, long row_stride, long column_stride,
                           const float *scale, const uint8_t *mask, long mask_row_stride, long mask_column_stride,
                           long rows, long columns, uint8_t *symbols, uint8_t *levels) {
    const Encoder &encoder = *static_cast<const Encoder *>(handle);
    std::vector<Wish> wishes(rows);
    for (long column = 0; column < columns; column++) {
        for (long row = 0; row < rows; row++) {
            const double d = scale[row], top = encoder.maximum;
            const bool counts = d != 0 && !(mask && !mask[row * mask_row_stride + column * mask_column_stride]);
            const double asked = counts ? target[row * row_stride + column * column_stride] / d : 0;
            const double aim = std::clamp(asked, -FARTHEST_TARGET, FARTHEST_TARGET), factor = counts ? d * d : 0;
            const double nearest = std::clamp(2 * std::floor((aim + top) / 2 + 0.5), 0.0, 2 * top) - top;
            const double least = (nearest - aim) * (nearest - aim), most = std::abs(aim) + top;
            wishes[row] = {factor, aim, least, factor * (most * most - least)};
        }
        encoder.column(wishes.data(), rows, symbols + column, columns, levels + column, columns);
    }
}

}
