"""``STRCMP("text", expression)`` in the C expressions of trace and argdist: a helper function for each text.

Texts are compared with what lies behind a pointer, byte by byte, in a loop of known length.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Container

_CALL = re.compile(r'STRCMP\(\s*("(?:[^"\\]|\\.)*")\s*,')
_FUNCTION = """
static inline int {name}(u64 address) {{
    char wanted[] = {wanted};
    char found[sizeof(wanted)];
    {read}(found, sizeof(found), (void *)address);
    for (int at = 0; at < sizeof(wanted){last}; at++)
        if (found[at] != wanted[at])
            return 0;
    return 1;
}}
"""


class Rewritten(TypedDict):
    """An expression and the functions that it needs.

    Keys:
        expr: C, without STRCMP.
        streq_functions: C of all functions so far.
        probeid: Number of functions so far.
    """

    expr: str
    streq_functions: str
    probeid: int


class StrcmpRewrite:
    """The rewriting, as trace and argdist call it."""

    @staticmethod
    def rewrite_expr(
        expr: str,
        bin_cmp: bool,
        is_user: bool | str,
        probe_user_list: Container[str],
        streq_functions: str,
        probeid: int,
    ) -> Rewritten:
        """Replace every ``STRCMP("text", what)`` by a call of a function that is made for it.

        Args:
            expr: A C expression.
            bin_cmp: The texts are initialisers of bytes, ``{0x6C, 0x00}``, all of which are compared.
            is_user: The addresses are in user space.
            probe_user_list: Names whose addresses are in user space, too.
            streq_functions: Functions that were made before.
            probeid: How many these are.
        """
        pieces, made, at = [], [], 0
        for found in _CALL.finditer(expr):
            end = _closing(expr, found.end())
            if found.start() < at or end < 0:
                continue
            what = expr[found.end() : end].strip()
            user = bool(is_user) or what in probe_user_list
            made.append(
                _FUNCTION.format(
                    name=f"streq_{probeid}",
                    wanted=found[1][1:-1] if bin_cmp else found[1],
                    read="bpf_probe_read_user" if user else "bpf_probe_read",
                    # The NUL at a text's end is not compared: its beginning decides.
                    last="" if bin_cmp else " - 1",
                )
            )
            pieces += [expr[at : found.start()], f"streq_{probeid}((u64)({what}))"]
            probeid += 1
            at = end + 1
        return {
            "expr": "".join([*pieces, expr[at:]]),
            "streq_functions": streq_functions + "".join(made),
            "probeid": probeid,
        }


def _closing(text: str, at: int) -> int:
    """Where the parenthesis that was opened before a place is closed; -1 if it is not."""
    depth = 1
    for position in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[position], 0)
        if not depth:
            return position
    return -1
