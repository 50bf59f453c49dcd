"""Names and register numbers of the counters that the host reads (no Amaranth here)."""

__all__ = ["CHANNEL_COUNTERS", "CHANNEL_REGISTERS", "FIRST_GUARD_COUNTER", "FIRST_MEMORY_REGISTER", "GUARD_COUNTERS",
           "MEMORY_COUNTERS", "MEMORY_REGISTERS"]

CHANNEL_COUNTERS = ("cycles", "busy", "stalled", "idle", "useful_read", "useful_written")
"""Registers of a channel's edge, from number channel · `CHANNEL_REGISTERS` on; `dojang_hdl.mesh.edge` says what they
count.
"""

MEMORY_COUNTERS = ("reads", "writes", "masked_writes", "activates", "precharges", "turnarounds",
                   *(f"refreshes_{bank}" for bank in range(8)))
"""Registers of a channel's LPDDR4 controller, from number `FIRST_MEMORY_REGISTER` + channel · `MEMORY_REGISTERS` on;
`dojang_hdl.lpddr4.counters` says what they count. A memory without a controller has zeros there.
"""

GUARD_COUNTERS = ("tiles_reread", "clusters_reread", "errors", "corrected", "merged", "patrolled", "verified")
"""Registers of a channel's guard, `FIRST_GUARD_COUNTER` numbers behind its controller's; `dojang_hdl.guard.guard`
says what they count.
"""

CHANNEL_REGISTERS, MEMORY_REGISTERS, FIRST_GUARD_COUNTER = 8, 32, 16
FIRST_MEMORY_REGISTER = 128
