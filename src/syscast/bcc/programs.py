"""Loading programs of a text, and the books that every kind of attachment shares."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from syscast.bcc.arguments import as_bytes
from syscast.bcc.constants import BPFProgType
from syscast.bcc.failures import failure
from syscast.bcc.functions import Function
from syscast.spec.numbers import ATTACH_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.bcc.arguments import Name
    from syscast.bcc.module import Module

_DEFAULT_LIMIT = 1000
_LIMIT = "BCC_PROBE_LIMIT"
_ATTACH_NAMES = {number: name for name, number in ATTACH_TYPES.items()}
_ONE_BY_ONE = 8
_CLOSERS = 16

# Program types by the prefixes of functions that BTF attaches: attach type.
_BY_BTF = {
    b"kfunc__": "trace_fentry",
    b"kretfunc__": "trace_fexit",
    b"kmod_ret__": "modify_return",
    b"lsm__": "lsm_mac",
    b"bpf_iter__": "trace_iter",
}


class Closable(Protocol):
    """An attachment."""

    def close(self) -> None: ...


class Quota:
    """How many probes all objects of this process have together."""

    held = 0

    @classmethod
    def check(cls, more: int) -> None:
        """Raises bcc's exception where so many more would be too many."""
        if cls.held + more > probe_limit():
            raise failure("Number of open probes would exceed global quota")


def _get_num_open_probes() -> int:
    """Probes that all objects of this process have; bcc's own tests ask for it."""
    return Quota.held


def probe_limit() -> int:
    """How many probes a process may attach: 1000, or what ``BCC_PROBE_LIMIT`` says."""
    limit = os.environ.get(_LIMIT, "")
    return int(limit) if limit.isdigit() else _DEFAULT_LIMIT


class Programs:
    """Base of the parts of `BPF`: the module, and its programs as they are loaded.

    Attributes:
        module: What was compiled; None once the object is closed.
        funcs: The loaded programs, by name.
        attached_to: Where each program was attached, in order: syscast's decorator and target,
            and a note for what these do not say.
    """

    def __init__(self, module: Module) -> None:
        self.module: Module | None = module
        self.funcs: dict[bytes, Function] = {}
        self.attached_to: dict[bytes, dict[tuple[str, str, str], None]] = {}

    def note(self, fn_name: bytes, kind: str, target: str, note: str = "") -> None:
        """Remember where a program was attached, for `BPF.to_python`."""
        self.attached_to.setdefault(fn_name, {})[kind, target, note] = None

    def load_func(
        self, func_name: Name, prog_type: int, device: Name | None = None, attach_type: int = -1
    ) -> Function:
        """Load a program, or give the one that was loaded before.

        Args:
            func_name: In the C text.
            prog_type: ``BPF.KPROBE`` and so on.
            device: Network card that runs it; not supported.
            attach_type: ``BPFAttachType``, where the type of program needs one.

        Raises:
            Exception: As bcc's; what the verifier said is on descriptor 2.
        """
        name = as_bytes(func_name)
        found = self.funcs.get(name)
        if found is not None:
            return found
        if device is not None:
            raise failure(
                f"Failed to load BPF program {name!r}: programs on devices are not supported"
            )
        attach, target = _ATTACH_NAMES.get(attach_type, ""), ""
        if prog_type in {BPFProgType.TRACING, BPFProgType.LSM}:
            attach, target = traced(name)
        made = self._made(name, prog_type, attach, target)
        self.funcs[name] = made
        return made

    def _made(self, name: bytes, prog_type: int, attach: str = "", target: str = "") -> Function:
        held = self._open().load(name, prog_type, attach_type=attach, target=target)
        return Function(self, name, held)

    def load_funcs(self, prog_type: int = BPFProgType.KPROBE) -> list[Function]:
        """Load all programs of the text as one type."""
        return [self.load_func(os.fsencode(name), prog_type) for name in self._open().names]

    def dump_func(self, func_name: Name) -> bytes:
        """The instructions of a program, as they were compiled; raises Exception: unknown."""
        return self._open().program(as_bytes(func_name)).insns

    def close(self) -> None:
        """Close programs and maps; what is attached stays attached."""
        for each in self.funcs.values():
            each.close()
        self.funcs.clear()
        module, self.module = self.module, None
        if module is not None:
            module.close()

    def _open(self) -> Module:
        if self.module is None:
            raise failure("BPF object is closed")
        return self.module


def traced(name: bytes) -> tuple[str, str]:
    """Attach type and target that a function's name stands for: ``module:function`` in modules.

    ``kfunc__tcp_connect`` is the kernel's function, ``kfunc__nf_tables__nft_do_chain`` that of a module.
    """
    prefix = next((each for each in _BY_BTF if name.startswith(each)), b"")
    attach = _BY_BTF.get(prefix, "")
    rest = os.fsdecode(name.removeprefix(prefix))
    module, separator, function = rest.partition("__")
    if separator and module and attach in {"trace_fentry", "trace_fexit"}:
        from syscast.btf import source, types  # noqa: PLC0415 - names with a double underscore

        if source.kernel().find(rest, types.Func) is None:
            return attach, f"{module}:{function}"
    return attach, rest


def close_all(held: Iterable[Closable]) -> None:
    """Close attachments, many from several threads: each waits for the kernel's grace periods."""
    links = list(held)
    if len(links) <= _ONE_BY_ONE:
        for link in links:
            link.close()
        return
    from threading import Thread  # noqa: PLC0415 - 2 ms, for many only

    def take_every(start: int) -> None:
        for link in links[start::_CLOSERS]:
            link.close()

    threads = [Thread(target=take_every, args=(start,)) for start in range(_CLOSERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
