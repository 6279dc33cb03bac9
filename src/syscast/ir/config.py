"""Layout of the filter config, the first bytes of the read-only data section.

The loader writes it before it freezes the map; the verifier then knows the values and drops
the code of filters that are off.
"""

from __future__ import annotations

from syscast.spec.meta import ConfigField

FLAGS = ConfigField("flags", 0, 4)
PID = ConfigField("pid", 4, 4)
TID = ConfigField("tid", 8, 4)
UID = ConfigField("uid", 12, 4)
NETNS = ConfigField("netns", 16, 4)
DELIVERY = ConfigField("delivery", 20, 4)
COMM = ConfigField("comm", 24, 16)
LIMIT_NS = ConfigField("limit_ns", 40, 8)
LIMIT_BURST = ConfigField("limit_burst", 48, 4)

CONFIG = (FLAGS, PID, TID, UID, NETNS, DELIVERY, COMM, LIMIT_NS, LIMIT_BURST)
"""u32 each, but char comm[16], NUL-padded, and u64 limit_ns. ``delivery`` holds bits of `syscast.spec.meta`."""

CONFIG_SIZE = 64
"""A front end's own read-only data starts here."""
