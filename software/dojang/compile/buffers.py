"""SRAM buffers of a pass, and the registers its programs use."""

from dojang_hdl.config import BLOCK, ELEMENTS, ChipConfig

from ..checkpoints import Activation, QKNorm
from .kv_cache import TERMS
from .model import ModelLayout
from .sram import RX, Bank, place_gathers, vector_words

__all__ = ["Buffers"]

TEMPORARIES = {Activation.SILU: 1, Activation.GELU_TANH: 1, Activation.GELU_ERF: 2}
"""Vectors that an activation needs beside its input; the first one receives the result."""

VALUE_SCALES = 2
"""Buffers for V scales: one in use, one on the way."""


class Buffers:
    """SRAM addresses of everything in a pass of ``contexts`` tokens; the same on every node.

    Vectors of several contexts lie ``*_stride`` words apart.
    """

    def __init__(self, model: ModelLayout, contexts: int):
        self.contexts = contexts
        shape, config = model.shape, model.config
        nodes = config.nodes
        head_words, key_words, value_words = (
            size // ELEMENTS for size in (shape.head_dim, shape.key_dim, shape.value_dim))
        heads = max(sum(model.owner(h) == node for h in range(shape.kv_heads)) for node in range(nodes))
        self.head_words, self.key_words, self.value_words = head_words, key_words, value_words
        self.keys_words, self.values_words = shape.group * key_words, shape.group * value_words
        self.pass_heads = min(shape.group, config.contexts)

        self.local = local = Bank("LOCAL", 0)
        groups = model.input_groups()
        self.x_stride, self.h_stride = vector_words(shape.d), vector_words(shape.d, groups.h)
        self.zeros_words = max(groups) // ELEMENTS
        self.zeros = local.allocate("zeros", self.zeros_words)
        self.x = local.allocate("x", contexts * self.x_stride)
        self.h = local.allocate("h", contexts * self.h_stride)
        self.inputs_stride = max(sum(linear.rows for linear in item.inputs) for item in model.layers) // ELEMENTS
        self.rows_stride = max(item.output.rows for item in model.layers) // ELEMENTS
        self.ffn_words = model.ffn_slice // ELEMENTS
        self.ffn_stride = (1 + shape.gated) * self.ffn_words
        logit_block = max(block.rows for block in model.head.blocks) // ELEMENTS
        self.logits_stride = logit_block
        self.value_codes_words = TERMS * value_words
        # Codes of values lie there between the products of q k v and of the output.
        self.out = self.value_codes = local.allocate("results", contexts * max(
            self.inputs_stride, self.rows_stride, self.ffn_stride, logit_block, heads * self.value_codes_words))
        self.activation = [local.allocate(f"activation {i}", self.ffn_words)
                           for i in range(TEMPORARIES[shape.activation])]
        self.product, self.swapped = (local.allocate(name, self.keys_words) for name in ("product", "swapped"))
        self.normed = local.allocate("normalised", self.keys_words * (shape.qk_norm != QKNorm.NONE))
        self.query = local.allocate("query", shape.group * TERMS * head_words)
        self.key = local.allocate("key", head_words)
        self.ratio, self.value_rounding, self.value_term = (
            local.allocate(name, value_words) for name in ("ratio", "value rounding", "value term"))
        self.rounding, self.term, self.rest, self.codes1, self.codes2 = (
            local.allocate(name, BLOCK // ELEMENTS) for name in ("rounding", "term", "rest", "codes1", "codes2"))
        self.scores_stride = max(layer.span.size for layer in model.layers) // ELEMENTS
        self.scores = local.allocate("scores", self.pass_heads * self.scores_stride)
        self.value_sums = local.allocate("value sums", shape.group * TERMS * value_words)
        self.o = local.allocate("o", self.values_words)
        self.tail = local.allocate("tail of scores", (1 + BLOCK // ELEMENTS) * (len(model.masks) > 0))

        self.rx = rx = Bank("RX", RX)
        self.vectors = [rx.allocate(f"vector {i}", words) for i, words in enumerate(model.vectors.words)]
        self.tables = {table: rx.allocate(f"rows of {table.name}", contexts * table.words)
                       for table in (*model.rotary.values(), *model.masks.values())}
        self.value_scales = [rx.allocate(f"value scales {i}", self.scores_stride)
                             for i in range(min(heads * contexts, VALUE_SCALES))]
        self.dummy = rx.allocate("dummy", nodes)
        self.gathered_inputs_stride = nodes * self.inputs_stride
        self.o_words = shape.heads * value_words
        self.o_stride = vector_words(shape.heads * shape.value_dim, groups.o)
        self.gathered_rows_stride = nodes * self.rows_stride
        self.a_gathered_words = nodes * self.ffn_words
        self.a_stride = max(self.a_gathered_words, vector_words(shape.ffn, groups.a))
        entry_words = model.embedding.words + shape.learned_positions * self.x_stride
        rows_words = contexts * max(self.gathered_rows_stride, entry_words)
        self.gathers = place_gathers(rx, contexts * self.gathered_inputs_stride, contexts * self.o_stride, rows_words,
                                     contexts * self.a_stride, rows_words)
        self.embedding = self.gathers.attention
        self.positions = self.embedding + contexts * model.embedding.words

    def check(self, config: ChipConfig) -> None:
        """Raise `SramError` if a node's SRAM has no room for them."""
        for bank in (self.local, self.rx):
            bank.check(config, self.contexts)
