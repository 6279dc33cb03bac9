"""What the running kernel can do, found out by trying; never by its version.

``probe`` has three answers: yes, no, inconclusive. The tables of features are in ``basics``,
``btf_kinds``, ``memory``, ``attach`` and ``helpers``, one row each, listed from ``table``.
Importing this costs next to nothing; the probes are imported when one must run.
"""

from __future__ import annotations

from syscast.features.feature import INCONCLUSIVE, NO, YES, Feature, Result
from syscast.features.probing import DISABLE, every, forget, probe, require, rows, supported

all = every  # noqa: A001  # reads best as features.all()

__all__ = [
    "DISABLE",
    "INCONCLUSIVE",
    "NO",
    "YES",
    "Feature",
    "Result",
    "all",
    "every",
    "forget",
    "probe",
    "require",
    "rows",
    "supported",
]
