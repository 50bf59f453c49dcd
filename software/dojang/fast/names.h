// Lists of names that C++ and Python share (library.py reads them from here), and the description of a model.
#pragma once

#include <cstdint>

namespace dojang {

// Numbers of names, and the names as Python reads them.
#define DOJANG_NAMES(scope, ...)                                                                                       \
    struct scope {                                                                                                     \
        enum Number { __VA_ARGS__, COUNT };                                                                            \
        static const char *names() { return #__VA_ARGS__; }                                                            \
    }

// What has tensors, as files call it: NAME.weight, which is a matrix or gains, and NAME.bias. The last two are the
// model's, `output` the head whatever its name.
DOJANG_NAMES(Part, attn_norm, attn_q, attn_k, attn_v, attn_q_norm, attn_k_norm, attn_output, post_attention_norm,
             ffn_norm, ffn_gate, ffn_up, ffn_down, post_ffw_norm, output_norm, output);

// Values that are rounded to FP16, in their order, as traces of the golden model call them. The last is the model's.
DOJANG_NAMES(Rounded, attn_norm, q, k_scale, o, ffn_norm, a, output_norm);

DOJANG_NAMES(Function, silu, gelu_tanh, gelu_erf);

// As `Sizes` of library.py; rows: of the key/value cache. Which norms, biases and matrices there are is in no field:
// those without tensors are none.
struct Sizes {
    int64_t layers, d, heads, kv_heads, key_dim, value_dim, vocab, rows, centred, activation;
    double eps, score_scale, score_cap, embedding_scale, residual_scale, logit_scale, logit_cap;
};

} // namespace dojang
