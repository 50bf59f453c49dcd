"""Sequences that come, go and share passes on the RTL get, bit for bit, what they would get alone."""

import numpy as np
import pytest
from dojang.batching import Batch, Request
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.generation import Generation
from dojang.sampling import Sampler
from dojang.sessions import TILE, whole_tiles
from dojang.sessions.fast import FastSession
from dojang.sessions.simulated import open_simulated
from dojang_hdl.config import WORD_BYTES, ChipConfig, preset
from dojang_sim.chip.memories import IDEAL, MEMORIES, Ideal

from ..software.sessions.models import MODELS, PLAIN, Alone
from ..software.sessions.script import play, random_script

ROWS = 12 * TILE
CROWD = ChipConfig("crowd", width=1, height=1, lanes=1, contexts=6, acc_rows=64, sram_words=2048, plane_fifo=128,
                   scale_fifo=128, program_fifo=64, chunk=32, channel_mib=8)


class Poisoner:
    """Overwrites the rows of a sequence, as soon as it is gone, with what nothing ever leaves there."""

    def __init__(self, session, finite: bool):
        self._session, self._finite = session, finite
        self.words = 0

    def __call__(self, start: int, rows: int) -> None:
        tiles, first = rows // TILE, start // TILE
        for layer in self._session.image._model.layers:
            for cache in layer.caches:
                for group in cache.key_groups:
                    self._fill(group.channel, group.planes + first * 64, tiles * 64, 0xA5A5A5A5)
                    self._fill(group.channel, group.scales + first * 4, tiles * 4, 0x7BFF7BFF)
                for block in cache.value_blocks:
                    self._fill(block.channel, block.start + first * block.tile_words, tiles * block.tile_words,
                               0xA5A5A5A5)
                scales = cache.value_scales
                self._fill(scales.channel, scales.start + first * 8, tiles * 8, 0x7F7FFFFF)

    def _fill(self, channel: int, start: int, words: int, finite: int) -> None:
        """A pattern; NaN in place of largest numbers, unless windows read beyond their positions."""
        value = finite if self._finite or finite == 0xA5A5A5A5 else 0xFFFFFFFF
        content = np.full(words * WORD_BYTES // 4, value, "<u4").tobytes()
        self._session._device.write_memory(channel, start * WORD_BYTES, content)
        self.words += words


@pytest.fixture
def crowd(monkeypatch):
    """``crowd(name, config, memories, rows, poison)``: a session with that model of `MODELS`, whose freed rows are
    poisoned, and the poisoner.
    """
    opened = []

    def open_crowd(name, config, memories, rows=ROWS):
        monkeypatch.setitem(MEMORIES, "tested", memories)
        checkpoint = random_checkpoint(MODELS[name], sharpness=3)
        session = open_simulated(checkpoint, config, PLAIN.context, "tested", rows=rows)
        opened.append(session)
        poison = Poisoner(session, finite=any(kind.window for kind in checkpoint.shape.kinds))
        remove = session.remove

        def remove_and_poison(number):
            held = session._known(number)
            remove(number)
            poison(held.start, whole_tiles(held.positions))

        monkeypatch.setattr(session, "remove", remove_and_poison)
        poison(0, rows)
        return session, checkpoint, poison

    yield open_crowd
    for session in opened:
        session.close()


def test_sequences_share_passes(crowd):
    """Random lives, in rows that held others' keys and values, or worse; then requests, prompts read beside decoding,
    that get the tokens that they get alone.
    """
    session, checkpoint, poison = crowd("windows", preset("sim-1x1"), IDEAL)
    before = poison.words
    play(session, random_script(3, 25, PLAIN.vocab, session.context, session.contexts, ROWS), Alone(checkpoint))
    assert poison.words > before
    for number in list(session._sequences):
        session.remove(number)
    prompts = [[1, 2, 3], list(range(20)), [5], [9, 8, 7, 6], list(range(30, 50))]
    requests = [Request(prompt, Sampler(), (), 6) for prompt in prompts]
    batch = Batch(session)
    for request in requests:
        batch.submit(request)
    for _ in batch.run():
        pass
    assert batch.passes < sum(len(prompt) + 5 for prompt in prompts) // 2
    for request in requests:
        with FastSession(checkpoint, PLAIN.context) as alone:
            run = Generation(alone, request.prompt, Sampler(), ())
            for _ in run.prefill(32):
                pass
            assert list(run.decode(6)) == request.tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_many_random_lives(name, crowd):
    session, checkpoint, _ = crowd(name, CROWD, Ideal(latency=20))
    play(session, random_script(5, 500, PLAIN.vocab, session.context, session.contexts, ROWS), Alone(checkpoint))


@pytest.mark.slow
def test_sequences_share_the_guarded_chip(crowd):
    """The demo's chip: four nodes, two channels of guarded LPDDR4."""
    session, checkpoint, _ = crowd("windows", preset("sim-2x2"), MEMORIES["lpddr4"])
    play(session, random_script(7, 12, PLAIN.vocab, session.context, session.contexts, ROWS), Alone(checkpoint))
    events = session.summary()["memory_guard"]
    assert not any(event["errors"] or event["corrected"] or event["clusters_reread"] for event in events)
