"""Clock gating: units that certainly hold their state can stand still."""

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal

__all__ = ["GATE_MODULE", "gated_domain"]

GATE_MODULE = "dojang_clock_gate"
"""Cell with inputs ``clk`` and ``en`` and output ``gated``: ``en`` is taken while ``clk`` is low."""


def gated_domain(m: Module, name: str, enable, gated: bool) -> None:
    """Add clock domain ``name`` to ``m``: the edges of ``sync``, if ``gated`` only those at which ``enable`` is set.

    Gating must not change behaviour: ``enable`` has to cover every cycle in which a register of the domain could
    change, and handshakes into the domain are masked with it. With ``gated`` the cell `GATE_MODULE` must exist (an
    integrated clock gate on a chip, a latch in simulation); on FPGAs leave it out.
    """
    m.domains += ClockDomain(name, local=True)
    m.d.comb += ResetSignal(name).eq(ResetSignal(allow_reset_less=True))
    if gated:
        m.submodules[f"{name}_gate"] = Instance(
            GATE_MODULE, i_clk=ClockSignal(), i_en=enable, o_gated=ClockSignal(name))
    else:
        m.d.comb += ClockSignal(name).eq(ClockSignal())
