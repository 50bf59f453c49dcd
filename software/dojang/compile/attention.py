"""Attention as the owner of a KV head executes it, its K/V cache included."""

from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import Add, Mul, Op, Round, ScaleMode, Stream

from .cache import VALUE_RATIO, put_key, put_value, quantise_value, set_term_ratio
from .kv_cache import KV_BITS, TERMS, CacheRegions, ValueBlock
from .model import LayerLayout
from .program import COUNT_LIMIT
from .qk_norm import QueriesAndKeys
from .rotation import Turned, turn
from .softmax import emit_exponentials, emit_weights
from .value_scales import ValueScales
from .writer import Writer, bits

__all__ = ["emit_attention"]


def emit_attention(w: Writer, layer: LayerLayout) -> None:
    """From the gathered q, k, v to the all-gather of o, which is left to be waited for.

    All keys of all contexts are written before the first score, so that no later write meets a stream of them. Values
    of a context are written when those of the one before have been read: the tile's words come while that one attends,
    and can be read back while scores are computed.
    """
    heads, contexts = w.heads, range(w.contexts)
    if not heads:  # every node takes part in every all-gather
        w.send(1, w.buffers.zeros, w.buffers.dummy + w.node)
        return
    scales, vectors = ValueScales(w, layer), QueriesAndKeys(w, layer)
    set_term_ratio(w)
    for c in contexts:
        for head in heads:
            w.phase("rotary")
            key = turn(w, layer, vectors.key(head, c), 1, c)
            w.phase("kv write")
            put_key(w, layer, head, key, c)
        for head in heads:
            quantise_value(w, layer, head, _value(w, layer, head, c), c)
    keys = len(w.builder)
    tiles = _Tiles(w, layer)
    for head in heads:
        for block in _blocks(layer, head):
            tiles.put(head, block, 0)
    scales.load()
    for c in contexts:
        for head in heads:
            w.phase("rotary")
            _put_queries(w, turn(w, layer, vectors.queries(head, c), w.shape.group, c))
            _attend(w, layer, head, c, scales, keys, tiles)
            scales.used()
    vectors.finish()


class _Tiles:
    """Values on their way into the cache, a block of rows at a time, contexts in order."""

    def __init__(self, w: Writer, layer: LayerLayout):
        self._w = w
        self._written = {block: 0 for head in w.heads for block in layer.caches[head].value_blocks}

    def put(self, head: int, block: ValueBlock, c: int) -> None:
        """Context c's values, if there is a context c."""
        if c < self._w.contexts:
            self._w.phase("kv write")
            put_value(self._w, head, block, c, self._written[block])
            self._written[block] = len(self._w.builder)

    def written(self, block: ValueBlock) -> int:
        """Where the program has written the last ones."""
        return self._written[block]


def _blocks(layer: LayerLayout, head: int) -> list[ValueBlock]:
    """The last one first: a reader waits for all words of one channel before it asks another, and the last keys of a
    head that lies in two are in the channel of its last values.
    """
    return layer.caches[head].value_blocks[::-1]


def _value(w: Writer, layer: LayerLayout, head: int, c: int) -> int:
    """Address of context c's value."""
    b = w.buffers
    return b.gathers.qkv + c * b.gathered_inputs_stride + layer.at[2] // ELEMENTS + head * b.value_words


def _put_queries(w: Writer, queries: Turned) -> None:
    """The rounded queries of a group, one for each term of the keys."""
    b = w.buffers
    for query in range(w.shape.group):
        for term in range(TERMS):
            w.vec(w.shape.key_dim, **queries.at(query * b.key_words), round=Round.FP16, pad32=1,
                  d=b.query + (query * TERMS + term) * b.head_words)


def _attend(w: Writer, layer: LayerLayout, head: int, c: int, scales: ValueScales, keys: int, tiles: _Tiles) -> None:
    """o of the query heads of a KV head, to all nodes; the next context's values. ``keys``: where the program has
    written them.
    """
    b, group = w.buffers, w.shape.group
    for first in range(0, group, b.pass_heads):
        count = min(b.pass_heads, group - first)
        w.phase("scores")
        _emit_scores(w, layer, layer.caches[head], c, first, count, keys)
        w.phase("softmax")
        for query in range(count):
            scores = b.scores + query * b.scores_stride
            emit_exponentials(w, layer, scores, c)
            scales.wait()
            emit_weights(w, layer, scores, c, scales.address)
        for block in _blocks(layer, head):
            w.phase("values")
            _emit_values(w, layer, block, c, first, count, tiles.written(block))
            if first + count == group:
                tiles.put(head, block, c + 1)
    w.phase("values")
    for query in range(group):
        first_term = b.value_sums + query * TERMS * b.value_words
        w.vec(w.shape.value_dim, first_term + b.value_words, mul=Mul.IMM, imm0=bits(1 / VALUE_RATIO), add=Add.B,
              b=first_term, round=Round.FP16, d=b.o + query * b.value_words)
    w.send(b.values_words, b.o, b.gathers.o + c * b.o_stride + head * b.values_words)


def _emit_scores(w: Writer, layer: LayerLayout, cache: CacheRegions, c: int, first: int, count: int,
                 written: int) -> None:
    """Scores of ``count`` query heads, one GEMV per ``acc_rows`` positions."""
    b, rows, span = w.buffers, w.config.acc_rows, layer.span
    tile = BLOCK * KV_BITS // ELEMENTS
    for start in range(0, span.size, rows):
        size = min(rows, span.size - start)
        for group in cache.key_groups:
            w.builder.stream(
                Stream.URGENT_PLANES, span.units(c, 4, start, size, KV_BITS), written, channel=group.channel,
                addr=group.planes + start * KV_BITS // ELEMENTS, **span.beginning(c, tile))
            w.builder.stream(
                Stream.URGENT_SCALES, span.units(c, 8, start, size, 1), written, channel=group.channel,
                addr=group.scales + start // 8, **span.beginning(c, BLOCK // 8))
        w.builder.consume(
            Op.GEMV, span.units(c, 4, start, size, 4), a=b.query + first * TERMS * b.head_words,
            d=b.scores + start // ELEMENTS, urgent=1, groups=len(cache.key_groups), bits=KV_BITS, signed=1,
            scale_mode=ScaleMode.SCALE, contexts=count - 1, act_stride=TERMS * b.head_words,
            out_stride=b.scores_stride)


def _emit_values(w: Writer, layer: LayerLayout, block: ValueBlock, c: int, first: int, count: int,
                 written: int) -> None:
    """Weighted sums of a block's rows of V for ``count`` query heads."""
    b, span = w.buffers, layer.span
    piece = COUNT_LIMIT // block.tile_words * BLOCK
    for start in range(0, span.size, piece):
        w.builder.stream(
            Stream.URGENT_PLANES, span.units(c, BLOCK, start, min(piece, span.size - start), block.tile_words),
            written, addr=block.start + start // BLOCK * block.tile_words, channel=block.channel,
            **span.beginning(c, block.tile_words))
    w.builder.consume(
        Op.GEMV, span.units(c, BLOCK, 0, span.size, 1), a=b.scores,
        d=b.value_sums + first * TERMS * b.value_words + block.first // ELEMENTS, urgent=1, rows=block.rows,
        bits=KV_BITS, signed=1, scale_mode=ScaleMode.NONE, contexts=count - 1, act_stride=b.scores_stride,
        out_stride=TERMS * b.value_words, n_is_groups=1)
