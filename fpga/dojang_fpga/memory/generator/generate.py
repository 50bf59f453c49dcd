"""Generates a LiteDRAM core: a process of its own, because migen numbers signals per process.

The script reads the fields of `Dram`, ``clock_hz``, ``input_hz``, ``simulated`` and settings of the controller as JSON
and writes JSON: ``verilog``, ``pads``, ``ports``, ``csr`` (addresses on the control bus), ``sequence``, ``settle``
(cycles) and what the model of the memory has to know. It imports only the packages.
"""

import json
import math
import re
import sys
from types import SimpleNamespace
from typing import Any

__all__: list[str] = []

INIT_HZ = 25_000_000
"""Clock of the start-up of DLL and ECLK."""

REFRESHES_TOGETHER = {"ddr3": 8, "sdr": 8}
"""Refreshes postponed and then done in a row: the rows are closed and opened again once for all of them."""

TCK_NS = {"default": 1.25, "800": 2.5, "1066": 1.875, "1333": 1.5, "1600": 1.25, "1866": 1.071}

RESET_S, CKE_S = 200e-6, 500e-6
"""Time in reset, and from there to CKE."""

CLOCK_PHASE = 90
"""Degrees by which the SDRAM's clock is behind that of its commands."""

READ_NS = 10.3
"""Assumed: from the shifted clock to the input register, with an output buffer of 3, tAC of 6, an input buffer and
set-up of 1, a way of 0.3.
"""


def generate(spec: dict[str, Any]) -> dict[str, Any]:
    import migen
    from dfi_registers import DfiRegisters
    from litedram.core.controller import ControllerSettings
    from litedram.init import get_sdram_phy_init_sequence
    from litex.soc.interconnect import csr_bus
    from one_master import OneMasterCore

    clock_hz, simulated, ddr3 = spec["clock_hz"], spec["simulated"], spec["kind"] == "ddr3"
    module = _module(spec)
    pads = _pads(migen, spec, module.geom_settings)
    ports: set[Any] = set()
    top: Any = migen.Module()   # its statements are attributes that no type checker sees

    def port(name, width=1):
        signal = migen.Signal(width, name=name)
        signal.name_override = name
        ports.add(signal)
        return signal

    crg = SimpleNamespace(clk=port("clk_in"), rst=port("rst_in"))
    phy = _phy(migen, spec, pads, clock_hz)
    if simulated:
        top.clock_domains.cd_sys = migen.ClockDomain("sys")
        top.comb += [top.cd_sys.clk.eq(crg.clk), top.cd_sys.rst.eq(crg.rst)]
        if not ddr3 and spec["sdr_rate"] == 2:
            top.clock_domains.cd_sys2x = migen.ClockDomain("sys2x")
            top.comb += [top.cd_sys2x.clk.eq(port("clk2x_in")), top.cd_sys2x.rst.eq(crg.rst)]
        if ddr3:
            phy = _at_the_dfi(migen, phy, module.geom_settings, port)
        else:
            pads.clk = None
    elif ddr3:
        _ddr3_clocks(top, spec, crg, phy)
    else:
        _sdr_clocks(migen, top, spec, crg, pads)
    top.submodules.ddrphy = phy
    if not simulated or not ddr3:
        ports |= {signal for signal in vars(pads).values() if signal is not None}

    settings = ControllerSettings(
        cmd_buffer_depth=spec.get("cmd_buffer_depth", 8), with_auto_precharge=spec.get("with_auto_precharge", True),
        refresh_postponing=spec.get("refresh_postponing", REFRESHES_TOGETHER[spec["kind"]]),
        read_time=spec.get("read_time", 32), write_time=spec.get("write_time", 16))
    top.submodules.registers = registers = DfiRegisters(phy, module.geom_settings)
    top.submodules.sdram = sdram = OneMasterCore(
        registers, module.geom_settings, module.timing_settings, clock_hz, settings)

    native = sdram.port
    addr_bits, data_bits = native.address_width, native.data_width
    top.comb += [
        native.cmd.valid.eq(port("cmd_valid")), port("cmd_ready").eq(native.cmd.ready),
        native.cmd.we.eq(port("cmd_we")), native.cmd.addr.eq(port("cmd_addr", addr_bits)),
        native.wdata.valid.eq(port("wdata_valid")), port("wdata_ready").eq(native.wdata.ready),
        native.wdata.data.eq(port("wdata_data", data_bits)), native.wdata.we.eq(port("wdata_we", data_bits // 8)),
        port("rdata_valid").eq(native.rdata.valid), port("rdata_data", data_bits).eq(native.rdata.data),
        native.rdata.ready.eq(1),
        port("clk").eq(migen.ClockSignal("sys")), port("rst").eq(migen.ResetSignal("sys")),
    ]

    banks = {"ddrphy": 0, "sdram": 1}
    top.submodules.banks = csr = csr_bus.CSRBankArray(
        SimpleNamespace(ddrphy=phy, sdram=sdram), lambda name, memory: banks[name], data_width=32, address_width=8,
        paging=0x200)
    bus = csr_bus.Interface(data_width=32, address_width=8)
    top.submodules.interconnect = csr_bus.Interconnect(bus, csr.get_buses())
    top.comb += [
        bus.adr.eq(port("csr_adr", 8)), bus.we.eq(port("csr_we")), bus.dat_w.eq(port("csr_dat_w", 32)),
        port("csr_dat_r", 32).eq(bus.dat_r),
    ]
    addresses = {f"{name}_{register.name}": number * 128 + index
                 for name, _, number, bank in csr.banks for index, register in enumerate(bank.simple_csrs)}

    sequence = _sequence(get_sdram_phy_init_sequence(phy.settings, module.timing_settings)[0], ddr3, clock_hz)
    verilog = _verilog(top, ports, "litedram_core_inner" if simulated else "litedram_core", simulated)
    return {
        "verilog": verilog,
        "pads": [] if simulated else [
            [f"{_prefix(spec)}_{name}", len(pad), "io" if name in ("dq", "dqs_p") else "o"]
            for name, pad in vars(pads).items() if pad is not None],
        "ports": sorted((signal.name_override, len(signal)) for signal in ports),
        "csr": addresses, "sequence": sequence,
        "address_bits": addr_bits, "data_bits": data_bits,
        "delays": getattr(phy.settings, "delays", 0) or 0, "bitslips": getattr(phy.settings, "bitslips", 0) or 0,
        "model": _model(spec, module, phy.settings),
        "settle": 2 * settings.refresh_postponing * module.timing_settings.tREFI,
    }


def _module(spec):
    """The module, its refresh time in nanoseconds: a number of clocks of the speed grade is too long at ours."""
    from litedram import modules

    base = getattr(modules, spec["module"])
    grade = spec["speedgrade"] or "default"
    clocks, ns = _pair(base.speedgrade_timings[grade].tRFC)
    timings = type(base.speedgrade_timings[grade])(**{
        name: getattr(base.speedgrade_timings[grade], name) for name in ("tRP", "tRCD", "tWR", "tRFC", "tFAW", "tRAS")})
    if ns is None and clocks is not None:
        timings.tRFC = (None, clocks * TCK_NS[grade])
    ours = type(base.__name__, (base,), {"speedgrade_timings": {**base.speedgrade_timings, grade: timings}})
    rate = "1:2" if spec["kind"] == "ddr3" or spec["sdr_rate"] == 2 else "1:1"
    return ours(spec["clock_hz"], rate, **({} if spec["speedgrade"] is None else {"speedgrade": grade}))


def _pair(timing):
    """(clocks, nanoseconds) of one of LiteDRAM's timings."""
    return timing if isinstance(timing, tuple) else (None, timing)


def _prefix(spec):
    return "ddram" if spec["kind"] == "ddr3" else "sdram"


def _pads(migen, spec, geometry):
    lanes = spec["data_bits"] // 8
    widths = {"a": geometry.addressbits, "ba": geometry.bankbits, "ras_n": 1, "cas_n": 1, "we_n": 1, "cs_n": 1,
              "cke": 1, "dm": lanes, "dq": 8 * lanes}
    widths |= {"dqs_p": lanes, "clk_p": 1, "odt": 1, "reset_n": 1} if spec["kind"] == "ddr3" else {"clk": 1}
    pads = SimpleNamespace()
    for name, width in widths.items():
        signal = migen.Signal(width, name=f"{_prefix(spec)}_{name}")
        signal.name_override = f"{_prefix(spec)}_{name}"
        setattr(pads, name, signal)
    return pads


def _phy(migen, spec, pads, clock_hz):
    from litedram.common import get_default_cl
    from litedram.phy.ecp5ddrphy import ECP5DDRPHY
    from litedram.phy.gensdrphy import GENSDRPHY, HalfRateGENSDRPHY

    if spec["kind"] == "ddr3":
        return ECP5DDRPHY(pads, sys_clk_freq=clock_hz, cmd_delay=spec["cmd_delay"],
                          dm_remapping=dict(enumerate(spec["dm_lanes"])))
    cl = get_default_cl("SDR", 1 / (spec["sdr_rate"] * clock_hz))
    if spec["sdr_rate"] == 1:
        return GENSDRPHY(pads, clock_hz, cl=cl)
    phy = HalfRateGENSDRPHY(pads, clock_hz, cl=cl)
    # It pairs the two transfers of a core clock for a latency of two clocks and one of `READ_NS`; with three clocks a
    # read has to start half a core clock later.
    phy.settings.rdphase = cl % 2
    return phy


def _ddr3_clocks(top, spec, crg, phy):
    from litedram.gen import LiteDRAMECP5DDRPHYCRG
    from migen import Signal

    requests = {"clk": crg.clk, "rst": crg.rst, "pll_locked": Signal(name="pll_locked")}
    platform = SimpleNamespace(request=requests.__getitem__)
    top.submodules.crg = clocks = LiteDRAMECP5DDRPHYCRG(platform, {
        "memtype": "DDR3", "input_clk_freq": spec["input_hz"], "sys_clk_freq": spec["clock_hz"],
        "init_clk_freq": INIT_HZ})
    top.comb += [clocks.stop.eq(phy.init.stop), clocks.reset.eq(phy.init.reset)]


def _sdr_clocks(migen, top, spec, crg, pads):
    from litex.build.io import DDROutput
    from litex.soc.cores.clock import ECP5PLL

    rate, clock_hz = spec["sdr_rate"], spec["clock_hz"]
    top.submodules.pll = pll = ECP5PLL()
    top.comb += pll.reset.eq(crg.rst)
    pll.register_clkin(crg.clk, spec["input_hz"])
    names = {"sys": (1, 0), "sys_ps": (rate, CLOCK_PHASE)} | ({"sys2x": (2, 0)} if rate == 2 else {})
    for name, (multiple, phase) in names.items():
        domain = migen.ClockDomain(name, reset_less=name == "sys_ps")
        top.clock_domains += domain
        pll.create_clkout(domain, multiple * clock_hz, phase=phase, with_reset=name != "sys_ps")
    top.specials += DDROutput(1, 0, pads.clk, migen.ClockSignal("sys_ps"))


def _at_the_dfi(migen, real, geometry, port):
    """Settings and registers of ``real``, and its DFI as ports of the core."""
    from litedram.phy.dfi import Interface
    from litex.soc.interconnect.csr import AutoCSR

    class Boundary(migen.Module, AutoCSR):
        def __init__(self):
            self.settings = settings = real.settings
            self.dfi = Interface(geometry.addressbits, geometry.bankbits, settings.nranks, settings.dfi_databits,
                                 settings.nphases)
            for name in ("_dly_sel", "_rdly_dq_rst", "_rdly_dq_inc", "_rdly_dq_bitslip_rst", "_rdly_dq_bitslip",
                         "_burstdet_clr", "_burstdet_seen"):
                setattr(self, name, getattr(real, name))
            for number, phase in enumerate(self.dfi.phases):
                for name, width, _ in phase.layout:
                    signal = port(f"dfi_p{number}_{name}", width)
                    inside = getattr(phase, name)
                    self.comb += inside.eq(signal) if name in ("rddata", "rddata_valid") else signal.eq(inside)
            lanes = settings.databits // 8
            self.comb += [
                port("dfi_lanes", lanes).eq(self._dly_sel.storage),
                port("dfi_delay_reset").eq(self._rdly_dq_rst.re), port("dfi_delay_step").eq(self._rdly_dq_inc.re),
                port("dfi_bitslip_reset").eq(self._rdly_dq_bitslip_rst.re),
                port("dfi_bitslip_step").eq(self._rdly_dq_bitslip.re),
                port("dfi_burst_clear").eq(self._burstdet_clr.re),
                self._burstdet_seen.status.eq(port("dfi_burst_seen", lanes)),
            ]

    return Boundary()


def _sequence(steps, ddr3, clock_hz):
    """Steps with bits instead of names; DDR3 begins in reset, and has the times that it needs at any clock."""
    steps = [[title, address, bank, _command(command), delay] for title, address, bank, command, delay in steps]
    if ddr3:
        steps[0][-1] = max(steps[0][-1], math.ceil(CKE_S * clock_hz))
        steps.insert(0, ["Hold reset", 0, 0, [0, 0], math.ceil(RESET_S * clock_hz)])
    return steps


def _command(text):
    """Bits of the injector's registers: (of the control register, of the command register)."""
    control, command = {"CKE": 2, "ODT": 4, "RESET_N": 8}, {"CS": 1, "WE": 2, "CAS": 4, "RAS": 8}
    bits = [0, 0]
    for flag in text.split("|"):
        _, register, name = flag.split("_", 2)
        bits[register == "COMMAND"] |= (control if register == "CONTROL" else command)[name]
    return bits


def _model(spec, module, settings):
    """Geometry, latencies in core clocks, and the data sheet's times, as LiteDRAM has them, in memory clocks."""
    tck_ns = 1e9 / spec["clock_hz"] / (2 if spec["kind"] == "ddr3" else spec["sdr_rate"])
    geometry = module.geom_settings
    times = {}
    for name in ("tRP", "tRCD", "tWR", "tRFC", "tFAW", "tRAS", "tREFI", "tWTR", "tCCD", "tRRD"):
        timing = module.get(name)
        times[name[1:]] = 0 if timing is None else max(timing.ck, math.ceil(timing.ns / tck_ns - 1e-6))
    if spec["kind"] == "sdr":
        times["FLIGHT"] = flight = int((READ_NS + tck_ns * CLOCK_PHASE / 360) / tck_ns)
        if flight != spec["sdr_rate"] - 1:
            raise ValueError(f"sdr_rate={spec['sdr_rate']} does not fit data that comes {flight} clocks of "
                             f"{tck_ns:.1f} ns late; expected below 73 MHz at the chip for 1, above for 2")
    return {"TCK_PS": round(1000 * tck_ns), **times, "ROW_BITS": geometry.rowbits, "BANK_BITS": geometry.bankbits,
            "COL_BITS": geometry.colbits, "CL": settings.cl, "CWL": settings.cwl or 0,
            "READ_LATENCY": settings.read_latency, "WRITE_LATENCY": settings.write_latency}


def _verilog(top, ports, name, simulated):
    from litex.build.lattice.common import lattice_ecp5_special_overrides
    from litex.gen.fhdl import verilog

    text = str(verilog.convert(top, ports, name=name, platform=SimpleNamespace(device="ECP5"),
                               special_overrides={} if simulated else lattice_ecp5_special_overrides))
    # Comments carry the date. Combinational logic is written with nonblocking assignments, which no tool has to accept.
    lines, combinational = [], False
    for line in re.sub(r"(?m)^//.*\n", "", text).splitlines():
        combinational = line.startswith("always @(*)") or (combinational and line != "end")
        lines.append(line.replace("<=", "=", 1) if combinational and re.match(r"\s+\S+ <= ", line) else line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    json.dump(generate(json.load(sys.stdin)), sys.stdout)
