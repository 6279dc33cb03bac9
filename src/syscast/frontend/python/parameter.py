"""``Parameter``: a probe's parameter, and which argument of the target it is."""

from __future__ import annotations

import ast

import msgspec


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of a probe.

    Attributes:
        index: Of the target's argument; RETURN or DURATION for what only the exit knows.
        node: Where it stands, for messages.
        annotation: As written, None where there is none.
    """

    name: str
    index: int
    node: ast.expr | ast.arg
    annotation: ast.expr | None = None
