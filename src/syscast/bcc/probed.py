"""Which kernel functions kprobes can go to, as bcc chooses them for a regular expression."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING

from syscast.bcc.arguments import Name, as_bytes
from syscast.symbols import kallsyms, traceable

if TYPE_CHECKING:
    from syscast.symbols.kallsyms import Symbol

_PLAIN = re.compile(rb"\w+")
_LINE = re.compile(rb"^([0-9a-f]+) ([tTwW]) ([^\s]+)(?:\t(.*))?$", re.MULTILINE)
# Compiler's and kernel's own pieces of code that are no functions to probe.
_LEFT_OUT = re.compile(rb"_kbl_addr_|__perf|perf_|__SCT__|__pfx_|__cfi_|.*\.cold(?:\.\d+)?$")
_OTHERS = frozenset({b"[bpf]", b"[__builtin__ftrace]", b"[__builtin__kprobes]"})
# Pairs of symbols: what lies between is gone after booting, or may not be probed.
_SECTIONS = (
    (b"__init_begin", b"__init_end"),
    (b"__irqentry_text_start", b"__irqentry_text_end"),
)


def functions_matching(event_re: Name) -> set[bytes]:
    """Names of all functions that kprobes can go to and that match as a whole.

    Args:
        event_re: A regular expression; for bytes one over bytes, and else over text.
    """
    pattern = as_bytes(event_re)
    bare = pattern.removeprefix(b"^").removesuffix(b"$")
    if _PLAIN.fullmatch(bare):
        return {bare} if probeable(bare) else set()
    wanted = re.compile(pattern)
    return {name for name in _candidates() if wanted.fullmatch(name)}


def probeable(name: bytes) -> bool:
    """Whether one function can be probed, as far as the kernel tells."""
    text = os.fsdecode(name)
    symbols = kallsyms.kernel().find(text)
    return (
        any(each.is_function for each in symbols)
        and not _LEFT_OUT.match(name)
        and not traceable.is_blacklisted(text)
        and _traceable(symbols[0])
        and not any(_inside(each.address) for each in symbols[:1])
    )


def _traceable(symbol: Symbol) -> bool:
    """Whether ftrace knows a function, by this name or by another one of the same code."""
    if traceable.is_traceable(symbol.name) is not False:
        return True
    twin = kallsyms.kernel().at(symbol.address) if symbol.address else None
    return twin is not None and traceable.is_traceable(twin.name) is True


def addresses(names: set[bytes]) -> dict[bytes, int]:
    """Entry addresses of functions, 0 for those without; the first of several of one name."""
    found = kallsyms.kernel().find_many(os.fsdecode(name) for name in names)
    result = {}
    for name in names:
        functions = [each for each in found[os.fsdecode(name)] if each.is_function]
        result[name] = functions[0].address if functions else 0
    return result


def _inside(address: int) -> bool:
    return bool(address) and any(start <= address < end for start, end in _ranges())


@cache
def _ranges() -> tuple[tuple[int, int], ...]:
    symbols = kallsyms.kernel()
    found = []
    for first, last in _SECTIONS:
        start, end = symbols.find(first.decode()), symbols.find(last.decode())
        if start and end:
            found.append((start[0].address, end[0].address))
    return tuple(found)


@cache
def _candidates() -> tuple[bytes, ...]:
    """All functions in the order of the kernel's symbols; about 0.1 s."""
    functions = traceable.functions()
    known = None if functions is None else frozenset(os.fsencode(name) for name in functions)
    forbidden = frozenset(os.fsencode(name) for name in traceable.blacklist() or ())
    ranges = _ranges()
    found: dict[bytes, None] = {}
    for address, _, name, module in _LINE.findall(kallsyms.kernel().raw):
        if (
            (known is not None and name not in known)
            or name in forbidden
            or module in _OTHERS
            or _LEFT_OUT.match(name)
        ):
            continue
        if known is None and ranges:
            at = int(address, 16)
            if any(start <= at < end for start, end in ranges):
                continue
        found[name] = None
    return tuple(found)
