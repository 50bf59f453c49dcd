"""The one description of a chip, shared by hardware, golden model, compiler and reports (no Amaranth here)."""

from dataclasses import dataclass

BLOCK = 32
"""Weights per scale group, and activations per shared exponent."""

WORD_BITS = 128
"""Bits of a memory word, a link payload and an SRAM word: the node's memory port is as wide as its links."""

WORD_BYTES = WORD_BITS // 8
ELEMENTS = WORD_BITS // 32
"""32-bit elements in one SRAM word."""

RUN_MESSAGES = 1 << 15
"""Most messages of a run: the host is told in 16 bits how many there are."""


class ConfigError(ValueError):
    """A value of a chip configuration is out of range; the message names the value and what was expected."""


@dataclass(frozen=True)
class ChipConfig:
    """A validated chip configuration.

    Parameters
    ----------
    name: preset name, for messages and build folders.
    width, height: nodes per row and rows of the mesh. Each row has one memory channel at its west edge.
    lanes: weight rows the engine works on at once; it consumes ``32 * lanes`` plane bits per cycle.
    contexts: activation vectors each weight word is applied to: tokens of a pass, of one sequence or of several, and
        grouped query heads.
    acc_rows: rows of one GEMV, i.e. FP32 accumulators per context.
    sram_words: 128-bit words in each of the two SRAM banks of a node (LOCAL and RX).
    plane_fifo, scale_fifo, program_fifo: words buffered by the node's stream readers; of planes and scales a quarter is
        for urgent reads.
    chunk: words of one memory read request, and of a tile that has a CRC (128 words are 2 KiB).
    channel_mib: size of each channel's memory in MiB.
    top_k: candidates kept per node for sampling.
    coded: the engine also takes window codes, masks, rotated products, groups of 64 and 128, integer offsets and scales
        per row.
    vector_lanes: elements that the vector unit works on at once: one, or an SRAM word's four.
    """

    name: str
    width: int = 2
    height: int = 2
    lanes: int = 2
    contexts: int = 4
    acc_rows: int = 512
    sram_words: int = 8192
    plane_fifo: int = 1024
    scale_fifo: int = 512
    program_fifo: int = 512
    chunk: int = 128
    channel_mib: int = 256
    top_k: int = 16
    coded: bool = False
    vector_lanes: int = 1

    def __post_init__(self):
        def check(ok, field, expected):
            if not ok:
                raise ConfigError(f"chip {self.name!r}: {field}={getattr(self, field)!r}, expected {expected}")

        def power_of_two(value):
            return value > 0 and value & (value - 1) == 0

        check(1 <= self.width <= 8, "width", "1 to 8 nodes per row")
        check(1 <= self.height <= 8, "height", "1 to 8 rows")
        check(self.lanes in (1, 2, 4), "lanes", "1, 2 or 4")
        check(1 <= self.contexts <= 32, "contexts", "1 to 32")
        check(power_of_two(self.acc_rows) and 32 <= self.acc_rows <= 4096, "acc_rows", "a power of two from 32 to 4096")
        check(power_of_two(self.sram_words) and 64 <= self.sram_words <= 32768, "sram_words",
              "a power of two from 64 to 32768")
        check(power_of_two(self.chunk) and self.chunk <= 256, "chunk", "a power of two up to 256 words")
        for field in ("plane_fifo", "scale_fifo"):
            check(power_of_two(getattr(self, field)) and getattr(self, field) >= 4 * self.chunk, field,
                  f"a power of two of at least four chunks ({4 * self.chunk} words)")
        check(power_of_two(self.program_fifo) and self.program_fifo >= 64, "program_fifo", "a power of two from 64 on")
        check(1 <= self.channel_mib <= 65536, "channel_mib", "1 to 65536 MiB")
        check(self.top_k >= 16 and self.top_k % 2 == 0, "top_k", "an even number of at least 16")
        check(self.run_messages <= RUN_MESSAGES, "top_k",
              f"few enough that a run has {RUN_MESSAGES:,} messages at most, not {self.run_messages:,}")
        check(self.vector_lanes in (1, ELEMENTS), "vector_lanes", f"1 or {ELEMENTS}")

    @property
    def run_messages(self) -> int:
        """To the host from all nodes, at most: each holds two candidates, four are of anything else of a node."""
        return self.nodes * (self.contexts * self.top_k // 2 + 4)

    @property
    def nodes(self) -> int:
        return self.width * self.height

    @property
    def channels(self) -> int:
        return self.height

    @property
    def channel_words(self) -> int:
        return self.channel_mib * (1 << 20) // WORD_BYTES

    @property
    def peak_bytes_per_cycle(self) -> int:
        return self.channels * WORD_BYTES

    @property
    def queued_streams(self) -> tuple[int, int]:
        """STREAM commands that a node's plane reader queues, and as many its scale reader: prefetched, urgent ones."""
        return 8, 32 if self.coded else 8

    @property
    def gathered_clusters(self) -> int:
        """Clusters that the guard of a channel gathers at once: four for each node that writes there, those of its row
        and, where there are others, as many of them; 16 at most. A position of a head touches nine of 64 elements.
        """
        return min(16, max(4, 1 << (4 * self.width * min(self.height, 2) - 1).bit_length()))

    @property
    def plane_bits_per_cycle(self) -> int:
        """Weight bits all engines together apply per cycle, to every context."""
        return self.nodes * self.lanes * BLOCK


def _board(name: str, **fields) -> ChipConfig:
    """A chip for an FPGA of 84,000 LUTs with one memory: two nodes, if ``fields`` do not say otherwise.

    A FIFO of 512 words has as many block RAMs as a shorter one: they are 36 bits wide at that depth.
    """
    return ChipConfig(f"board-{name}", **{
        "width": 2, "height": 1, "lanes": 1, "contexts": 1, "acc_rows": 256, "sram_words": 2048, "plane_fifo": 512,
        "scale_fifo": 512, "program_fifo": 512, **fields})


PRESETS = {preset.name: preset for preset in (
    ChipConfig("sim-1x1", width=1, height=1, lanes=4, coded=True, vector_lanes=4),
    ChipConfig("sim-2x2", lanes=4, plane_fifo=8192, scale_fifo=1024, chunk=256, channel_mib=1024, coded=True,
               vector_lanes=4),
    # Engines that outrun the memory, and FIFOs that it fills meanwhile, hide what every context costs besides weights.
    ChipConfig("batch-8", lanes=4, contexts=8, plane_fifo=16384, scale_fifo=2048, chunk=256, channel_mib=1024,
               coded=True, vector_lanes=4),
    ChipConfig("batch-32", height=1, lanes=4, contexts=32, sram_words=32768, plane_fifo=32768, scale_fifo=4096,
               chunk=256, channel_mib=1024, coded=True, vector_lanes=4),
    ChipConfig("sim-4x4", width=4, height=4, lanes=1, sram_words=4096),
    ChipConfig("small-node", width=1, height=1, lanes=1, contexts=1, acc_rows=128, sram_words=256,
               plane_fifo=128, scale_fifo=128, program_fifo=64, chunk=32, channel_mib=32),
    _board("ecpix5", channel_mib=512),
    _board("ecpix5-1x1", width=1, lanes=2, channel_mib=512),
    _board("orangecrab", channel_mib=128),
    _board("butterstick", channel_mib=1024),
    _board("ulx3s", width=1, sram_words=1024, channel_mib=32),
    _board("ax7325b", lanes=2, contexts=4, acc_rows=512, sram_words=8192, channel_mib=2048),
    _board("antmicro-lpddr4", width=1, lanes=2, channel_mib=512),
)}
"""Named configurations. ``small-node`` is the one placed by ``dojang report``, ``board-…`` are for boards."""


def preset(name: str) -> ChipConfig:
    if name not in PRESETS:
        raise ConfigError(f"unknown chip preset {name!r}, expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
