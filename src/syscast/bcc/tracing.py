"""Programs that BTF attaches: at entries and exits of functions, in place of their result, at security hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.constants import BPFProgType
from syscast.bcc.failures import failure
from syscast.bcc.programs import Closable, Programs
from syscast.errors import SyscastError
from syscast.link.tracing import TracingLink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syscast.bcc.module import Module


class _Kind(NamedTuple):
    """One way: the prefix of its functions, bcc's words for it, the program type."""

    prefix: bytes
    word: str
    refusal: str
    prog_type: int


_ENTRY = _Kind(b"kfunc__", "Kernel entry func", "entry kernel func", BPFProgType.TRACING)
_EXIT = _Kind(b"kretfunc__", "Kernel exit func", "exit kernel func", BPFProgType.TRACING)
_RESULT = _Kind(b"kmod_ret__", "Fmod_ret func", "fmod_ret kernel func", BPFProgType.TRACING)
_HOOK = _Kind(b"lsm__", "LSM hook", "LSM", BPFProgType.LSM)


def add_prefix(prefix: bytes, name: Name) -> bytes:
    """A function's name with a prefix, unless it has it."""
    raw = as_bytes(name)
    return raw if raw.startswith(prefix) else prefix + raw


class Tracing(Programs):
    """What `BPF` knows of them.

    Attributes:
        kfunc_entry_fds: What is attached, by the program's name; likewise the others.
    """

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self.kfunc_entry_fds: dict[bytes, Closable] = {}
        self.kfunc_exit_fds: dict[bytes, Closable] = {}
        self.fmod_ret_fds: dict[bytes, Closable] = {}
        self.lsm_fds: dict[bytes, Closable] = {}

    def attach_kfunc(self, fn_name: Name = b"") -> Self:
        """Attach ``kfunc__NAME`` to the entry of NAME; raises Exception as bcc."""
        return self._attach_traced(_ENTRY, self.kfunc_entry_fds, fn_name)

    def attach_kretfunc(self, fn_name: Name = b"") -> Self:
        """Attach ``kretfunc__NAME`` to the exit of NAME; raises Exception as bcc."""
        return self._attach_traced(_EXIT, self.kfunc_exit_fds, fn_name)

    def attach_fmod_ret(self, fn_name: Name = b"") -> Self:
        """Attach ``kmod_ret__NAME``, which may replace the result of NAME; raises Exception as bcc."""
        return self._attach_traced(_RESULT, self.fmod_ret_fds, fn_name)

    def attach_lsm(self, fn_name: Name = b"") -> Self:
        """Attach ``lsm__HOOK`` to a security hook; raises Exception as bcc."""
        return self._attach_traced(_HOOK, self.lsm_fds, fn_name)

    def detach_kfunc(self, fn_name: Name = b"") -> None:
        """Detach; raises Exception: not attached."""
        self._detach_traced(_ENTRY, self.kfunc_entry_fds, fn_name)

    def detach_kretfunc(self, fn_name: Name = b"") -> None:
        """Detach; raises Exception: not attached."""
        self._detach_traced(_EXIT, self.kfunc_exit_fds, fn_name)

    def detach_fmod_ret(self, fn_name: Name = b"") -> None:
        """Detach; raises Exception: not attached."""
        self._detach_traced(_RESULT, self.fmod_ret_fds, fn_name)

    def detach_lsm(self, fn_name: Name = b"") -> None:
        """Detach; raises Exception: not attached."""
        self._detach_traced(_HOOK, self.lsm_fds, fn_name)

    def _attach_traced(self, kind: _Kind, held: dict[bytes, Closable], fn_name: Name) -> Self:
        name = add_prefix(kind.prefix, fn_name)
        if name in held:
            raise failure(f"{kind.word} {name!r} has been attached")
        function = self.load_func(name, kind.prog_type)
        try:
            link = TracingLink.attach(function.program, f"{kind.refusal} {name!r}")
        except SyscastError as error:
            refused = failure(f"Failed to attach BPF to {kind.refusal}")
            refused.add_note(str(error))
            raise refused from None
        held[name] = link
        return self

    @staticmethod
    def _detach_traced(kind: _Kind, held: dict[bytes, Closable], fn_name: Name) -> None:
        name = add_prefix(kind.prefix, fn_name)
        if name not in held:
            raise failure(f"{kind.word} {name!r} is not attached")
        held.pop(name).close()

    def _drop_tracing(self) -> Iterator[Closable]:
        """Forget all of them, for a caller that closes them."""
        for held in (self.kfunc_entry_fds, self.kfunc_exit_fds, self.fmod_ret_fds, self.lsm_fds):
            yield from held.values()
            held.clear()
