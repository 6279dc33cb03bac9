"""Which functions the kernel lets be traced: ftrace's list, and the kprobe blacklist.

Both may be out of reach (tracefs not mounted, debugfs closed); the answer is then None, for
unknown, and the real attachment decides.
"""

from __future__ import annotations

from syscast.errors import SyscastError
from syscast.kernel import tracefs
from syscast.kernel.textfiles import read_bytes

_BLACKLIST = "/sys/kernel/debug/kprobes/blacklist"
_FILES = {
    "filter": "available_filter_functions",
    "places": "available_filter_functions_addrs",
}

_lists: dict[str, bytes | None] = {}


def is_traceable(name: str) -> bool | None:
    """Whether ftrace, and so fentry and kprobe multi, can attach to a function."""
    data = _list("filter")
    if data is None:
        return None
    text = b"\n" + name.encode("utf-8", "surrogateescape")
    # The line of a module's function goes on with " [module]".
    return text + b"\n" in data or text + b" [" in data


def is_blacklisted(name: str) -> bool | None:
    """Whether kprobes are forbidden in a function."""
    data = _list("blacklist")
    if data is None:
        return None
    return b"\t" + name.encode("utf-8", "surrogateescape") + b"\n" in data


def functions() -> list[str] | None:
    """Names of all functions that ftrace can attach to, in the kernel's order."""
    data = _list("filter")
    if data is None:
        return None
    lines = data.decode("utf-8", "surrogateescape").splitlines()
    return [line.partition(" ")[0] for line in lines if line]


def places() -> frozenset[int] | None:
    """Addresses at which ftrace can attach, each in a function's first bytes.

    Names are not enough where several functions have one. Linux kernel commit 83f74441bcb1 ("tracing: Add
    available_filter_functions_addrs file") (in v6.5).
    """
    data = _list("places")
    if data is None:
        return None
    try:
        return frozenset(int(line[: line.index(b" ")], 16) for line in data.split(b"\n") if line)
    except ValueError:
        return None


def blacklist() -> frozenset[str] | None:
    """Names of all functions in which kprobes are forbidden."""
    data = _list("blacklist")
    if data is None:
        return None
    text = data.decode("utf-8", "surrogateescape")
    return frozenset(line.rpartition("\t")[2] for line in text.splitlines())


def forget() -> None:
    """Read the lists again next time."""
    _lists.clear()


def _list(which: str) -> bytes | None:
    if which not in _lists:
        try:
            path = _BLACKLIST
            if which in _FILES:
                path = f"{tracefs.root()}/{_FILES[which]}"
            _lists[which] = b"\n" + read_bytes(path)
        except (OSError, SyscastError):
            _lists[which] = None
    return _lists[which]
