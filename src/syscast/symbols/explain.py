"""Why a function cannot be traced by its name, in words that lead on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import SyscastError, TargetError
from syscast.symbols import kallsyms, modules, traceable

if TYPE_CHECKING:
    from syscast.symbols.kallsyms import Kallsyms, Symbol

MISSING = "missing"
INLINED = "inlined"
COPIES = "copies"
NOTRACE = "notrace"
DUPLICATE = "duplicate"
UNLOADED = "unloaded"
TRACEPOINT = "tracepoint"
DATA = "data"
SYSCALL = "syscall"


class Explanation(NamedTuple):
    """Why not.

    Attributes:
        name: The function asked for.
        kind: One of the constants of this module.
        text: A sentence without its subject: ``exists only as copies ...``.
        near: Names to use instead, best first.
    """

    name: str
    kind: str
    text: str
    near: tuple[str, ...] = ()

    def error(self) -> TargetError:
        """As an exception."""
        return TargetError(f"function '{self.name}': find: {self.text}", self.near)


def why_not(name: str, symbols: Kallsyms | None = None) -> Explanation | None:
    """Why a kernel function cannot be attached to by its name.

    Args:
        name: The function.
        symbols: Those of this machine if None.

    Returns:
        None where nothing speaks against it.

    Raises:
        OSError: /proc/kallsyms cannot be read.
    """
    table = symbols or kallsyms.kernel()
    found = table.find(name)
    functions = [symbol for symbol in found if symbol.is_function]
    if functions:
        return _exists(name, functions)
    if found:
        text = f"it is data, not a function (kallsyms type {found[0].kind})"
        return Explanation(name, DATA, text)
    return _copied(name, table) or _absent(name, table)


def _exists(name: str, found: list[Symbol]) -> Explanation | None:
    if len(found) > 1:
        places = [symbol.module or "the kernel" for symbol in found]
        where = ", ".join(f"{places.count(place)} in {place}" for place in dict.fromkeys(places))
        text = (
            f"{len(found)} functions have this name ({where}), and the kernel cannot tell which "
            f"is meant"
        )
        return Explanation(name, DUPLICATE, text)
    if traceable.is_blacklisted(name):
        text = "the kernel forbids probes in it, as tracing itself uses it (kprobes blacklist)"
        return Explanation(name, NOTRACE, text)
    if traceable.is_traceable(name) is False:
        text = "it is compiled without tracing (notrace, or not in available_filter_functions)"
        return Explanation(name, NOTRACE, text)
    return None


def _copied(name: str, table: Kallsyms) -> Explanation | None:
    copies = table.copies(name)
    if not copies:
        return None
    names = tuple(dict.fromkeys(symbol.name for symbol in copies))
    how = []
    if any(".isra" in one for one in names):
        how.append(".isra: its arguments were changed")
    if any(".constprop" in one for one in names):
        how.append(".constprop: an argument became a constant")
    if any(".part" in one for one in names):
        how.append(".part: its beginning was inlined into the callers")
    if any(".cold" in one for one in names):
        how.append(".cold: only its rare paths")
    reason = f" ({'; '.join(how)})" if how else ""
    text = f"the compiler left only {', '.join(names)}{reason}"
    return Explanation(name, COPIES, text)


def _absent(name: str, table: Kallsyms) -> Explanation:
    if _in_btf(name):
        text = "it is inlined into all its callers: BTF knows it, but there is no code of its own"
        return Explanation(name, INLINED, text, _near(name, table))
    if _in_btf(name, tracepoint=True):
        text = f"it is a tracepoint, not a function (trace raw_tracepoint:{name})"
        return Explanation(name, TRACEPOINT, text)
    bare = name.removeprefix("__x64_").removeprefix("__arm64_").removeprefix("sys_")
    if bare != name and (table.find(f"__x64_sys_{bare}") or table.find(f"__arm64_sys_{bare}")):
        text = f"system calls have other names in the kernel (trace syscall:{bare})"
        return Explanation(name, SYSCALL, text)
    module = modules.exporting(name)
    if module is not None and module not in modules.loaded():
        text = f"it is in module {module}, which is not loaded (modprobe {module})"
        return Explanation(name, UNLOADED, text)
    near = _near(name, table)
    module = modules.probable_owner(name)
    if module is not None:
        text = (
            f"no such function now; by its name it may belong to module {module}, which is not "
            f"loaded (modprobe {module})"
        )
        return Explanation(name, UNLOADED, text, near)
    text = "this kernel has no such function, or it is inlined into all its callers"
    return Explanation(name, MISSING, text, near)


def _in_btf(name: str, *, tracepoint: bool = False) -> bool:
    from syscast.btf import source, types  # noqa: PLC0415  # only for names that are missing

    try:
        kernel = source.kernel()
    except SyscastError:
        return False
    if tracepoint:
        return kernel.find(f"btf_trace_{name}", types.Typedef) is not None
    return kernel.find(name, types.Func) is not None


def _near(name: str, table: Kallsyms) -> tuple[str, ...]:
    from syscast.btf.near import nearest  # noqa: PLC0415  # only for names that are missing

    return tuple(nearest(name, table.functions()))
