"""Stands for yosys, nextpnr and ecppack: writes what they would. ``FAKE`` is a JSON of what to do and where to log."""

import json
import os
import sys
import time
from pathlib import Path

CELLS = {"TRELLIS_COMB": 84000, "TRELLIS_FF": 84000, "MULT18X18D": 156, "DP16KD": 208}


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


def main():
    tool, plan = sys.argv[1], json.loads(os.environ["FAKE"])
    with open(plan["calls"], "a") as calls:
        calls.write(" ".join(sys.argv[1:]) + "\n")
    if tool == plan.get("fails"):
        print("out of luck")
        sys.exit(3)
    if tool == "yosys":
        Path("top.json").write_text(Path("top.il").read_text())
        Path("stat.json").write_text(json.dumps({"design": {"num_cells_by_type": {"LUT4": 5}}}))
    elif tool == "nextpnr":
        seed = option("--seed")
        print("Info: Routing the world...", flush=True)
        Path(plan["calls"]).with_name(f"pid{seed}").write_text(str(os.getpid()))
        time.sleep(plan.get("sleep", {}).get(seed, 0))
        clocks = {"$glbnet$clk": {"constraint": 75.0, "achieved": plan["mhz"][seed]}, "init": {"constraint": 25.0,
                                                                                               "achieved": 90.0}}
        Path(option("--report")).write_text(json.dumps({
            "fmax": clocks, "critical_paths": [
                {"from": f"posedge {start}", "to": f"posedge {end}", "path": [{"delay": ns / 4}, {"delay": ns * 3 / 4}]}
                for start, end, ns in plan.get("paths", ())],
            "utilization": {cell: {"used": 7, "available": number} for cell, number in CELLS.items()}}))
        Path(option("--textcfg")).write_text(f"config of seed {seed}")
    else:
        Path(option("--bit")).write_text("bits of " + Path(option("--input")).read_text())


main()
