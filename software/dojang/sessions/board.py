"""A session on a board."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from dojang_hdl.config import ELEMENTS, PRESETS, WORD_BYTES, ChipConfig
from dojang_hdl.host.identity import fingerprint

from ..checkpoints import Checkpoint, ScaleSet
from ..compile import Image, compile_model
from ..driver import Device, Identity, LinkError, LinkTimeout, SerialTransport, TransportError, Upload, upload
from .device import DeviceSession
from .golden import GoldenSession
from .session import SessionError

__all__ = ["BAUDS", "BOARD_CONTEXT", "BoardSession", "open_board"]

BOARD_CONTEXT = 512
"""Positions to reserve unless more are needed: the K/V cache, though empty, goes over the link with the image."""

BAUDS = (12_000_000, 3_000_000, 2_000_000, 1_000_000, 921_600, 115_200)
"""Tried in this order if no rate is given."""

TRIAL_S, TRIALS = 0.5, 3
"""Of a chip that may not be there, or at another rate."""

TIMEOUT_S, SIMULATED_TIMEOUT_S = 2.0, 20.0
"""Of a chip on a board, and of one that knows no clock."""

RECONNECT_S, RECONNECTS = 60.0, 20

BOARD_WINDOW = 1 << 14
"""Bytes in flight on a real line, which is slower than the chip executes writes: 13 ms at 12 Mbaud."""


class BoardSession(DeviceSession):
    """A session on the chip behind a serial port.

    Attributes
    ----------
    config, clock_hz: the chip's; 0 Hz if it is simulated.
    upload: what had to be sent, all channels together.
    """

    def __init__(self, *args, config: ChipConfig, clock_hz: int, upload: Upload, **options):
        self.config, self.clock_hz, self.upload = config, clock_hz, upload
        super().__init__(*args, **options)

    def summary(self) -> dict:
        return {**super().summary(), "simulated_hz": None, "upload": asdict(self.upload),
                "link": self._device.counters()}


def open_board(checkpoint: Checkpoint, port: str, baud: int | None = None, context: int | None = None,
               compare_golden: bool = False, rtscts: bool = False, timeout_s: float | None = None,
               progress: Callable[[str], None] = lambda _: None, loaded: bool = False,
               sets: Sequence[ScaleSet] = (), rows: int | None = None) -> BoardSession:
    """Find the chip behind a serial port, make its memory ready, bring the model into it.

    Parameters
    ----------
    baud: `BAUDS` are tried if None.
    compare_golden: read all logits over the link and compare them with the golden model's.
    timeout_s: silence after which a request is sent again.
    loaded: the memory holds the model, which is believed and not looked at; for simulated boards.
    context, progress, sets, rows: see `open_session`.

    Raises
    ------
    TransportError, LinkError, DojangError: each with a sentence for the user.
    """
    context = min(context or checkpoint.shape.context, checkpoint.shape.context)
    progress(f"looking for a chip at {port}")
    transport, identity = _find(port, baud, rtscts)
    try:
        config = _preset(identity, port)
        device = Device(transport, timeout_s or (TIMEOUT_S if identity.clock_hz else SIMULATED_TIMEOUT_S))
        if identity.clock_hz:
            device.link.window = BOARD_WINDOW
        device.identify(config)
        guarded = device.guarded(0)
        progress(f"compiling the model for {config.name}")
        image = compile_model(checkpoint, config, context, sets, rows)
        if loaded:
            for channel in range(config.channels):
                _make_ready(device, identity, channel, guarded, progress)
            sent = Upload(0)
        else:
            sent = _load(device, identity, image, guarded, progress)
        if compare_golden:
            progress("preparing the golden model")
        golden = GoldenSession(checkpoint, image.context, sets, image.rows) if compare_golden else None
        return BoardSession(device, image, guarded, (lambda c: _logits(device, image, c)) if compare_golden else None,
                            golden, transport.close, reconnect_s=RECONNECT_S, config=config,
                            clock_hz=identity.clock_hz, upload=sent)
    except BaseException:
        transport.close()
        raise


def _find(port: str, baud: int | None, rtscts: bool) -> tuple[SerialTransport, Identity]:
    noise = False
    for rate in BAUDS if baud is None else (baud,):
        try:
            transport = SerialTransport(port, rate, rtscts)
        except TransportError as error:
            if baud is None and "baud" in str(error):
                continue
            raise
        try:
            return transport, Device(transport, TRIAL_S, TRIALS).identify()
        except LinkError as error:
            transport.close()
            silent = isinstance(error, LinkTimeout)
            if not silent and "noisy" not in str(error):
                raise SessionError(f"at {port}: {error}") from error
            noise |= not silent
        except TransportError:
            transport.close()
            raise
    rates = "any of the usual rates" if baud is None else f"{baud:,} baud"
    heard = "something answers, but no chip of ours" if noise else "nothing answers"
    raise SessionError(f"{heard} at {port} with {rates}: is the bitstream loaded, and are these the port and the rate "
                       "of its link?")


def _preset(identity: Identity, port: str) -> ChipConfig:
    for config in PRESETS.values():
        if fingerprint(config) == identity.fingerprint:
            return config
    raise SessionError(f"the chip at {port} is none of this version's presets: {identity.width}x{identity.height} "
                       f"nodes of {identity.lanes} lanes, {identity.channel_mib} MiB, fingerprint "
                       f"{identity.fingerprint:08x}")


def _load(device: Device, identity: Identity, image: Image, guarded: bool,
          progress: Callable[[str], None]) -> Upload:
    """Bring the image into the memories, through as many breaks of the link as there are."""
    contents = _contents(image, guarded)
    total, started = Upload(sum(map(len, contents))), time.monotonic()

    def report(state: Upload) -> None:
        seconds = max(state.seconds, 1e-3)
        progress(f"uploading: {(before.done + state.done) / 1e6:,.1f} of {total.total / 1e6:,.1f} MB are there, "
                 f"{(before.sent + state.sent) / 1e6:,.1f} sent, {state.sent / seconds / 1e3:,.0f} kB/s")

    for attempt in range(RECONNECTS):
        before = Upload(total.total)
        latest = Upload(0)

        def remember(state: Upload) -> None:
            nonlocal latest
            latest = state
            report(state)

        try:
            for channel, part in enumerate(contents):
                latest = Upload(0)
                _make_ready(device, identity, channel, guarded, progress)
                progress("comparing the board's memory with the model's image")
                latest = upload(device, channel, part, guarded, remember)
                before.done += latest.done
                before.sent += latest.sent
                total.sent += latest.sent
            total.done, total.seconds = before.done, time.monotonic() - started
            return total
        except TransportError as error:
            total.sent += latest.sent
            if attempt == RECONNECTS - 1:
                raise
            progress(f"{error}; waiting for it to come back")
            device.reconnect(RECONNECT_S)
    raise AssertionError("unreachable")


def _make_ready(device: Device, identity: Identity, channel: int, guarded: bool,
                progress: Callable[[str], None]) -> None:
    if identity.clock_hz and guarded:  # a board: its memory has controls
        from ..driver.calibrate import calibrate

        calibrate(device, channel, progress)
    if guarded:
        device.protect(channel, 0, 0, 0)  # nobody looks at blocks that are half written


def _contents(image: Image, guarded: bool) -> list[np.ndarray]:
    """Of each channel's memory, up to the end of what is used."""
    words = image.protection.end
    contents = [np.zeros(words * WORD_BYTES, np.uint8) for _ in range(image.config.channels)]
    image.fill(contents)
    if not guarded:
        return [part[:-(-image.used_bytes(channel) // WORD_BYTES) * WORD_BYTES]
                for channel, part in enumerate(contents)]
    memories = [np.zeros(image.protection.physical_words * WORD_BYTES, np.uint8) for _ in contents]
    for channel, memory in enumerate(memories):
        image.protection.store(memory, contents[channel], image.tiles(channel))
    return memories


def _logits(device: Device, image: Image, context: int) -> np.ndarray:
    parts = [np.frombuffer(device.read_memory(part.channel, part.start * WORD_BYTES,
                                              -(-part.rows // ELEMENTS) * WORD_BYTES), "<f4")[:part.rows]
             for part in image.logits(context)]
    return np.concatenate(parts)
