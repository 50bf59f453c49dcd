"""Files that are changed at random are models or are refused with a sentence: no other error, in little memory."""

import math
import resource
import struct
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, LayerKind, ModelShape, Rotation, load, open_model
from dojang.checkpoints.gguf.keys import KNOWN, NEUTRAL
from dojang.checkpoints.synthetic import write_synthetic
from dojang.tokenizer import Tokenizer, TokenizerError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = 6000
SECONDS = 20
"""Of the slowest example."""

GIGABYTE = 1 << 30

ODD_NUMBERS = (0, 1, 2, 31, 32, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Bytes of a sound file whose header is short, and the header's length."""
    shape = ModelShape(1, 32, 1, 1, 32, 32, 40, 64, kinds=(LayerKind(Rotation(factors=(1.0,) * 16)),))
    path = write_synthetic(tmp_path_factory.mktemp("fuzz") / "tiny.gguf", shape, ["Q4_0", "Q8_0", "F16"], eos=True)
    return path.read_bytes(), min(tensor.offset for tensor in open_model(path).tensors.values())


def use(path) -> bool:
    """Read all that a file has; whether that is a model."""
    try:
        file = open_model(path)
        _ = [str(field) for field in file.fields.values()]
        checkpoint = load(file)
        _ = checkpoint.tokenizer, checkpoint.embedding[:], checkpoint.codes_sha256
        _ = [checkpoint.vector(name) for name in checkpoint.vector_names]
        Tokenizer(checkpoint.tokenizer).encode("a b")
    except (CheckpointError, TokenizerError) as error:
        longest = 300 if isinstance(error, CheckpointError) else 2000  # which may list all that is supported
        assert "\n" not in str(error) and len(str(error)) < len(str(path)) + longest
        return False
    return True


def changed(content: bytes, changes) -> bytes:
    """``content`` after (kind, place, number): bits, bytes, 32 and 64 bits, what is cut out, put in, cut off."""
    content = bytearray(content)
    for kind, place, number in changes:
        place %= max(len(content), 1)
        match kind:
            case "bit":
                content[place:place + 1] = bytes(byte ^ 1 << number % 8 for byte in content[place:place + 1])
            case "byte":
                content[place:place + 1] = bytes([number % 256])
            case "u32":
                content[place:place + 4] = struct.pack("<I", number % 2**32)
            case "u64":
                content[place:place + 8] = struct.pack("<Q", number % 2**64)
            case "cut":
                del content[place:place + number % 64]
            case "put":
                content[place:place] = bytes(number % 64)
            case "end":
                del content[place:]
    return bytes(content)


KINDS = ("bit", "byte", "u32", "u64", "cut", "put", "end")


def lengths(content: bytes, end: int) -> list[int]:
    """Places in front of texts, where a length may be."""
    return [at for at in range(4, end - 8) if 0 < int.from_bytes(content[at:at + 8], "little") < 100]


def test_a_few_dozen_fixed_changes(tiny, tmp_path):
    content, end = tiny
    rng, path, refused = np.random.default_rng(8), tmp_path / "m.gguf", 0
    places = lengths(content, end)
    for index in range(140):
        place = int(rng.choice(places)) if index % 2 else int(rng.integers(4, end))
        path.write_bytes(changed(content, [(KINDS[index % 7], place, int(rng.choice(ODD_NUMBERS)))]))
        refused += not use(path)
    assert 70 < refused < 135
    path.write_bytes(content)
    assert use(path)


@pytest.fixture
def little_memory():
    """A gigabyte more than there is; within the test only."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + GIGABYTE, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


FUZZ = settings(max_examples=EXAMPLES, deadline=SECONDS * 1000, database=None, derandomize=True,
                suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
def test_changed_bytes(tiny, tmp_path):
    content, end = tiny
    places, path, found = lengths(content, end), tmp_path / "m.gguf", [0, 0]
    place = st.one_of(st.integers(0, end - 1), st.sampled_from(places), st.integers(0, len(content) - 1))
    number = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from(ODD_NUMBERS))

    @FUZZ
    @given(st.lists(st.tuples(st.sampled_from(KINDS), place, number), min_size=1, max_size=4))
    def run(changes):
        path.write_bytes(changed(content, changes))
        found[use(path)] += 1

    run()
    assert min(found) > EXAMPLES // 100


NUMBERS = {"u8": (0, 0, 2**8 - 1), "i8": (1, -2**7, 2**7 - 1), "u16": (2, 0, 2**16 - 1), "i16": (3, -2**15, 2**15 - 1),
           "u32": (4, 0, 2**32 - 1), "i32": (5, -2**31, 2**31 - 1), "u64": (10, 0, 2**64 - 1),
           "i64": (11, -2**63, 2**63 - 1)}
FLOATS = st.sampled_from((0.0, 1.0, -1.0, 0.5, 2.0, 1e-45, 3e38, math.inf, -math.inf, math.nan))
WORDS = st.text(max_size=12) | st.sampled_from(("", "none", "linear", "yarn", "longrope", "llama", "gpt2", "A" * 5000))
SCALARS = [st.tuples(st.just(kind), st.integers(low, high) | st.sampled_from((low, high, max(low, -1), 1, 32)))
           for kind, low, high in NUMBERS.values()]
SCALARS += [st.tuples(st.sampled_from((6, 12)), FLOATS), st.tuples(st.just(7), st.sampled_from((0, 1, 2))),
            st.tuples(st.just(8), WORDS)]
LISTS = st.one_of(*(st.tuples(st.just(9), st.lists(scalar, max_size=3).map(
    lambda items: (items[0][0], [item[1] for item in items if item[0] == items[0][0]]) if items else (4, [])))
    for scalar in SCALARS))
VALUES = st.one_of(*SCALARS, LISTS)

TOKENIZER = tuple(f"tokenizer.ggml.{key}" for key in (
    "model", "pre", "tokens", "token_type", "merges", "scores", "bos_token_id", "eos_token_id", "eot_token_id",
    "eom_token_id", "unknown_token_id", "add_bos_token", "add_eos_token", "add_space_prefix"))
KEYS = (*(f"llama.{key}" for key in (*KNOWN, *NEUTRAL)), *TOKENIZER, "tokenizer.chat_template", "general.alignment",
        "general.architecture", "general.type", "split.no", "split.count", "split.tensors.count", "llama.unknown")


@pytest.mark.slow
@pytest.mark.usefixtures("little_memory")
def test_values_of_any_type(raw, tiny, tmp_path):
    content, end = tiny
    path, slowest = tmp_path / "m.gguf", 0.0
    path.write_bytes(content)
    file = open_model(path)
    kept = {key: raw.text(key) + content[field.offset - head(field):field.offset + field.size]
            for key, field in file.fields.items()}
    tensors = [raw.tensor(tensor.name, tensor.shape, tensor.number, tensor.offset - end)
               for tensor in file.tensors.values()]
    assert raw.file([*kept.values()], tensors) == content[:end]

    @FUZZ
    @given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=3))
    def run(values):
        nonlocal slowest
        start = monotonic()
        fields = kept | {key: raw.field(key, *value) for key, value in values.items()}
        path.write_bytes(raw.file([*fields.values()], tensors) + content[end:])
        use(path)
        slowest = max(slowest, monotonic() - start)

    run()
    assert slowest < SECONDS


def head(field) -> int:
    """Bytes between a key and its value."""
    return 4 + (12 if field.count is not None else 8 if field.kind == 8 else 0)
