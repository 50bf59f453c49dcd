"""What the log of the second opinion's bench says: commands and data at the pins, and LiteDRAM's view of them."""

import re
from dataclasses import dataclass

from dojang_hdl.lpddr4.timing import BURST_BYTES, Lpddr4Config

from .pin_commands import PinCommand, PinDecoder
from .replay import Replay

__all__ = ["Opinion"]

FALSE_ALARM = "Not all banks precharged during REFRESH"
"""LiteDRAM says so of every refresh with any bank open. A refresh of one bank needs only that bank closed."""

LOGGED = re.compile(r"\[\s*(?P<ps>\d+) ps\] \[(?P<level>\w+)\] (?P<message>.*)")
COMPLAINT = re.compile(r"\[(WARN|ERROR)\]")
UNDERSTOOD = re.compile(r"(ACT|READ|WRITE|MASKED-WRITE|AUTO-PRECHARGE|PRE|MRW|MPC): |REFRESH$")

STROBE = 7
"""Quarters of a memory clock from RL to the first DQS edge of LiteDRAM's read data."""


@dataclass(frozen=True)
class Opinion:
    """One run of the bench.

    Members
    -------
    commands: (first clock edge in tCK, command), as decoded from the pins.
    reads: each burst that came back to the controller, 32 bytes.
    expected: what the commands and the write data at the PHY boundary make of each.
    false_alarms: (needed, raised): see docs/reference/lpddr4-phy.md.
    problems: a sentence for each thing that is not right; empty if LiteDRAM agrees.
    """

    commands: list[tuple[int, PinCommand]]
    reads: list[bytes]
    expected: list[bytes]
    false_alarms: tuple[int, int]
    problems: list[str]

    @classmethod
    def of_log(cls, log: str, config: Lpddr4Config) -> "Opinion":
        """Judge the output of the bench, see second_opinion.v."""
        lines = log.splitlines()
        problems: list[str] = []
        commands = _commands(lines, problems)
        replay = Replay(commands, _bursts(lines, "WRITE", config), problems)
        reads = [data for data, _ in _bursts(lines, "READ", config)]
        _compare("LiteDRAM understood", _understood(lines), replay.messages, problems)
        _compare("read burst", [data.hex() for data in reads], [data.hex() for data in replay.reads], problems)
        strobes = [int(line.split()[2]) for line in lines if line.startswith("PINS DQS")]
        _compare("first DQS edge", strobes, [4 * end + STROBE for end in replay.latencies(config)], problems)
        alarms = _judge_complaints(lines, replay.bank_refreshes, config, problems)
        return cls(commands, reads, replay.reads, (len(replay.bank_refreshes), alarms), problems)


def _commands(lines: list[str], problems: list[str]) -> list[tuple[int, PinCommand]]:
    decoder, commands = PinDecoder(), []
    for line in lines:
        if line.startswith("PINS CA"):
            try:
                command = decoder.half(*map(int, line.split()[2:]))
            except ValueError as error:
                problems.append(str(error))
            else:
                commands += [command] if command else []
    return commands


def _bursts(lines: list[str], kind: str, config: Lpddr4Config) -> list[tuple[bytes, int]]:
    """(data, mask) of each burst at the PHY boundary; a burst is 8 / ratio cycles."""
    words = [line.split()[2:] for line in lines if line.startswith(f"PORT {kind}")]
    bytes_a_cycle = 4 * config.ratio
    pieces = [(int(word[0], 16).to_bytes(bytes_a_cycle, "little"), int(word[1], 16) if word[1:] else 0)
              for word in words]
    count = BURST_BYTES // bytes_a_cycle
    bursts = []
    for at in range(0, len(pieces), count):
        burst = pieces[at:at + count]
        bursts.append((b"".join(data for data, _ in burst),
                       sum(mask << bytes_a_cycle * place for place, (_, mask) in enumerate(burst))))
    return bursts


def _understood(lines: list[str]) -> list[str]:
    """What LiteDRAM says it was told, without the padding of its numbers."""
    messages = [match["message"] for match in map(LOGGED.fullmatch, lines) if match]
    return [re.sub(r"\s+", "", message) for message in messages if UNDERSTOOD.match(message)]


def _compare(what: str, found: list, expected: list, problems: list[str]) -> None:
    for index, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            problems.append(f"{what} {index}: {one}, expected {other}")
            return
    if len(found) != len(expected):
        problems.append(f"{what}: {len(found)} of them, expected {len(expected)}")


def _judge_complaints(lines: list[str], refreshes: set[int], config: Lpddr4Config, problems: list[str]) -> int:
    """The number of false alarms; every other complaint is a problem. ``refreshes``: times that explain one, in tCK."""
    raised: set[int] = set()
    for line in lines:
        if not COMPLAINT.search(line):
            continue
        match = LOGGED.fullmatch(line)
        # LiteDRAM counts memory clocks and sees a command with the second edge after its first.
        time = int(match["ps"]) // int(1e12 / (config.rate * 500_000)) - 2 if match else None
        if match and match["message"] == FALSE_ALARM and time in refreshes - raised:
            raised.add(time)
        else:
            problems.append(line)
    if raised != refreshes:
        problems.append(f"false alarms: {len(raised)}, expected {len(refreshes)}")
    return len(raised)
