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
COMM = ConfigField("comm", 24, 16)

CONFIG = (FLAGS, PID, TID, UID, NETNS, COMM)
"""u32 each, but char comm[16], NUL-padded; 4 reserved bytes before it keep it aligned."""

CONFIG_SIZE = 64
"""A front end's own read-only data starts here."""
