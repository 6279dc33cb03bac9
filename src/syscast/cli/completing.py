"""What shells complete: targets, for arguments that take one."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

    from syscast.probes.listing import Entry

_LEAST = 2
"""Letters without which there are too many targets to be of use."""
_MOST = 400


def targets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Targets that begin so; of functions the bare name."""
    del ctx, param
    from syscast.errors import SyscastError  # noqa: PLC0415  (only shells that complete ask)
    from syscast.probes import listing  # noqa: PLC0415

    *done, begun = incomplete.split(",")
    if len(begun) < _LEAST or not begun.replace(":", "_").replace(".", "_").isidentifier():
        return []
    first = "".join(f"{each}," for each in done)
    try:
        found = list(islice(listing.targets(f"{begun}*"), _MOST))
    except (SyscastError, OSError):
        return []
    return [
        f"{first}{text}" for each in found for text in _spellings(each) if text.startswith(begun)
    ]


def _spellings(entry: Entry) -> tuple[str, ...]:
    """A target as users may write it: of syscalls, never the bare name, which may be a function's."""
    if entry.kind == "syscall":
        return (entry.target,)
    return (entry.target.partition(":")[2], entry.target)


def tables(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Tables of the kernel that begin so."""
    del ctx, param
    from syscast.errors import SyscastError  # noqa: PLC0415  (only shells that complete ask)
    from syscast.probes import iterator  # noqa: PLC0415

    try:
        return [name for name, _ in iterator.every() if name.startswith(incomplete)]
    except (SyscastError, OSError):
        return []
