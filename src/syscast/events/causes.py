"""Why events are lost, as `syscast.Lost` and the ledger name it."""

from __future__ import annotations

RING_FULL = "ring full"
MISSED = "missed"
DAMAGED = "damaged"
SHED = "shed"
UNEXPLAINED = "unexplained"
