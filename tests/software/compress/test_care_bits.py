"""The measure of XOR codes: the search against every payload, and the published shares."""

from itertools import product

import numpy as np
import pytest
from dojang.compress import care_bits
from dojang.compress.care_bits import code_for, matched, share_matched
from dojang_sim.benches.mutation import mutate

# Of care bits at one payload bit each, with a window of 16 bits.
PUBLISHED = {0.5: 0.990, 0.6: 0.990, 0.7: 0.990, 0.8: 0.988, 0.9: 0.986}


def bits_of(code, payload):
    """One bit at a time."""
    register, bits = [0] * care_bits.WINDOW, []
    for step in range(0, len(payload), code.step_bits):
        register = [*reversed(payload[step:step + code.step_bits]), *register][:care_bits.WINDOW]  # newest first
        bits.append([sum(bit for place, bit in enumerate(register) if mask >> place & 1) % 2 for mask in code.masks])
    return np.array(bits, bool)


def check_against_every_payload(module):
    rng = np.random.default_rng(1)
    for step_bits, outputs, steps in ((1, 2, 9), (2, 5, 5), (3, 10, 3), (1, 10, 8)):
        code = module.LinearCode(step_bits, tuple(map(int, rng.integers(1, 1 << care_bits.WINDOW, outputs))))
        every = [bits_of(code, payload) for payload in product((0, 1), repeat=step_bits * steps)]
        for _ in range(3):
            wanted, care = rng.random((steps, outputs)) < 0.5, rng.random((steps, outputs)) < 0.6
            assert module.matched(code, wanted, care) == max(((bits == wanted) & care).sum() for bits in every)


def test_against_every_payload():
    check_against_every_payload(care_bits)


def test_a_plane_that_the_code_makes_is_matched():
    """Longer than the register, so that what leaves it matters."""
    rng = np.random.default_rng(2)
    code = code_for(0.5, 3)
    bits = bits_of(code, list(map(int, rng.integers(0, 2, 200))))
    assert matched(code, bits, np.ones(bits.shape, bool)) == bits.size
    bits[40, 1] ^= True
    assert matched(code, bits, np.ones(bits.shape, bool)) == bits.size - 1


@pytest.mark.parametrize("sparsity, step", [
    (0.5, (2, 4)), (0.6, (2, 5)), (0.7, (3, 10)), (0.8, (2, 10)), (0.9, (2, 20))])
def test_rate_is_the_share_of_care_bits(sparsity, step):
    code = code_for(sparsity, 1)
    assert (code.step_bits, len(code.masks)) == step


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.9])
def test_published_share(sparsity):
    """Few bits here; ``dojang bench care-bits`` has the figures."""
    figures = share_matched(sparsity, 8000)
    assert figures["matched"] > PUBLISHED[sparsity]
    assert figures["payload_bits_per_care_bit"] == pytest.approx(1, abs=0.05)


def test_progress():
    seen = []
    share_matched(0.9, 20, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(step, 10) for step in range(1, 11)]


MUTATIONS = {
    "starts anywhere": ("misses[0], missed = 0, 0", "missed = 0; misses[:] = 0"),
    "don't-cares count": ("(outputs ^ target) & cared", "(outputs ^ target)"),
    "states mixed up": (".reshape(branches, states).min(axis=0)", ".reshape(states, branches).min(axis=1)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    with pytest.raises(AssertionError):
        check_against_every_payload(mutate(care_bits.__name__, *MUTATIONS[name]))
