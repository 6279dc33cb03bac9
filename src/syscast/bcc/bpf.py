"""``BPF``: a C text compiled, loaded, attached by the names of its functions, and read through its tables."""

from __future__ import annotations

import atexit
import os
import time
from typing import TYPE_CHECKING, Protocol, Self

from syscast.bcc import symcaches, syscallnames
from syscast.bcc.arguments import Name, as_bytes
from syscast.bcc.compiling import compiled, found_file
from syscast.bcc.constants import (
    DEBUG_BPF,
    DEBUG_PREPROCESSOR,
    DEBUG_SOURCE,
    BPFProgType,
    XDPAction,
    XDPFlags,
)
from syscast.bcc.failures import failure, say
from syscast.bcc.functions import Function as _Function
from syscast.bcc.kprobes import Kprobes
from syscast.bcc.module import Module
from syscast.bcc.perfevents import PerfEvents
from syscast.bcc.polling import Polling
from syscast.bcc.programs import close_all
from syscast.bcc.statics import Statics
from syscast.bcc.tracepipe import TracePipe
from syscast.bcc.tracepoints import Tracepoints
from syscast.bcc.tracing import Tracing
from syscast.bcc.uprobes import Uprobes
from syscast.kernel.textfiles import read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from syscast.bcc.percpu import Reducer
    from syscast.bcc.structs import CType
    from syscast.bcc.symcaches import SymbolCache
    from syscast.bcc.table import QueueStack, TableBase
    from syscast.loader.loaded import LoadedMap
    from syscast.spec.tables import TableMeta

_HEADERS = {
    "linux/time.h": ("time",),
    "linux/fs.h": ("fs", "file"),
    "linux/blkdev.h": ("bio", "request"),
    "linux/slab.h": ("alloc",),
    "linux/netdevice.h": ("sk_buff", "net_device"),
}
_NO_NAMES: tuple[str, ...] = ()


class UserProbes(Protocol):
    """USDT probes that a script enabled (``USDT``)."""

    def get_text(self) -> Name:
        """C that reads their arguments, to stand before the program's."""
        ...

    def attach_uprobes(self, bpf: BPF, attach_usdt_ignore_pid: bool) -> None:
        """Attach their functions."""
        ...


class BPF(Kprobes, Uprobes, Tracepoints, Tracing, PerfEvents, Polling, TracePipe, Statics):
    """A compiled text.

    Attributes:
        tables: The tables that were asked for, by the key that asked.
        debug: The bits that it was made with.
    """

    SOCKET_FILTER = BPFProgType.SOCKET_FILTER
    KPROBE = BPFProgType.KPROBE
    SCHED_CLS = BPFProgType.SCHED_CLS
    SCHED_ACT = BPFProgType.SCHED_ACT
    TRACEPOINT = BPFProgType.TRACEPOINT
    XDP = BPFProgType.XDP
    PERF_EVENT = BPFProgType.PERF_EVENT
    CGROUP_SKB = BPFProgType.CGROUP_SKB
    CGROUP_SOCK = BPFProgType.CGROUP_SOCK
    LWT_IN = BPFProgType.LWT_IN
    LWT_OUT = BPFProgType.LWT_OUT
    LWT_XMIT = BPFProgType.LWT_XMIT
    SOCK_OPS = BPFProgType.SOCK_OPS
    SK_SKB = BPFProgType.SK_SKB
    CGROUP_DEVICE = BPFProgType.CGROUP_DEVICE
    SK_MSG = BPFProgType.SK_MSG
    RAW_TRACEPOINT = BPFProgType.RAW_TRACEPOINT
    CGROUP_SOCK_ADDR = BPFProgType.CGROUP_SOCK_ADDR
    CGROUP_SOCKOPT = BPFProgType.CGROUP_SOCKOPT
    TRACING = BPFProgType.TRACING
    LSM = BPFProgType.LSM

    XDP_ABORTED = XDPAction.XDP_ABORTED
    XDP_DROP = XDPAction.XDP_DROP
    XDP_PASS = XDPAction.XDP_PASS
    XDP_TX = XDPAction.XDP_TX
    XDP_REDIRECT = XDPAction.XDP_REDIRECT

    XDP_FLAGS_UPDATE_IF_NOEXIST = XDPFlags.UPDATE_IF_NOEXIST
    XDP_FLAGS_SKB_MODE = XDPFlags.SKB_MODE
    XDP_FLAGS_DRV_MODE = XDPFlags.DRV_MODE
    XDP_FLAGS_HW_MODE = XDPFlags.HW_MODE
    XDP_FLAGS_REPLACE = XDPFlags.REPLACE

    CLOCK_MONOTONIC = time.CLOCK_MONOTONIC
    Function = _Function
    _auto_includes = _HEADERS
    _syscall_prefixes = syscallnames.PREFIXES
    _sym_caches: Mapping[int, SymbolCache] = symcaches.CACHES

    def __init__(
        self,
        src_file: Name = b"",
        hdr_file: Name = b"",
        text: Name | None = None,
        debug: int = 0,
        cflags: Sequence[str | bytes] = _NO_NAMES,
        usdt_contexts: Sequence[UserProbes] = (),
        allow_rlimit: bool = True,
        device: Name | None = None,
        attach_usdt_ignore_pid: bool = False,
    ) -> None:
        """Compile a text, create its maps, and attach the functions whose names say where to.

        Args:
            src_file: File with the C text, or
            text: the text itself.
            hdr_file: Of no effect, as in bcc.
            debug: Bits ``DEBUG_*``: what to show on descriptor 2.
            cflags: As for a C compiler.
            usdt_contexts: Probes of user programs that were enabled.
            allow_rlimit: Of no effect: the limit is lifted only where the kernel counts it.
            device: Network card that the programs run on; not supported.
            attach_usdt_ignore_pid: Attach USDT probes to all processes.

        Raises:
            Exception: As bcc's; what is wrong in the text is on descriptor 2.
        """
        del hdr_file, allow_rlimit
        if device is not None:
            raise failure("programs and maps on network devices are not supported")
        assert not (text and as_bytes(src_file)), "text and src_file exclude each other"
        path = found_file(src_file) if as_bytes(src_file) else ""
        source = read_bytes(path) if path else _source(text)
        for context in usdt_contexts:
            reading = context.get_text()
            source = (reading.encode() if isinstance(reading, str) else as_bytes(reading)) + source
        self.debug = debug
        self._text, self._path = source, path
        if debug & DEBUG_PREPROCESSOR:
            say(os.fsdecode(source))
        flags = self._flags = [os.fsdecode(flag) for flag in cflags]
        module = Module(compiled(source, path, flags), path, verbose=bool(debug & DEBUG_BPF))
        super().__init__(module)
        Polling.__init__(self)
        self.tables: dict[object, TableBase | QueueStack] = {}
        self._cleaned = False
        atexit.register(self.cleanup)
        if debug & (DEBUG_BPF | DEBUG_SOURCE):
            self._show_programs()
        try:
            for context in usdt_contexts:
                context.attach_uprobes(self, attach_usdt_ignore_pid)
            self._attach_by_names()
        except BaseException:
            # Nobody got the object: what is attached so far would stay until the process ends.
            self.cleanup()
            raise

    # ------------------------------------------------------------ attaching by the functions' names

    def _attach_by_names(self) -> None:
        ways: tuple[tuple[bytes, Callable[[bytes, bytes], object]], ...] = (
            (b"kprobe__", lambda at, fn: self.attach_kprobe(syscallnames.fixed(at), fn_name=fn)),
            (b"kretprobe__", lambda at, fn: self.attach_kretprobe(syscallnames.fixed(at), fn)),
            (
                b"tracepoint__",
                lambda at, fn: self.attach_tracepoint(at.replace(b"__", b":"), fn_name=fn),
            ),
            (b"raw_tracepoint__", self.attach_raw_tracepoint),
            (b"kfunc__", lambda _, fn: self.attach_kfunc(fn)),
            (b"kretfunc__", lambda _, fn: self.attach_kretfunc(fn)),
            (b"lsm__", lambda _, fn: self.attach_lsm(fn)),
        )
        for name in self._open().names:
            raw = os.fsencode(name)
            for prefix, attach in ways:
                if raw.startswith(prefix):
                    attach(raw.removeprefix(prefix), raw)

    # ------------------------------------------------------------ tables

    @property
    def maps(self) -> Mapping[str, LoadedMap]:
        """The maps in the kernel, by name."""
        return self._open().maps

    def map_named(self, name: str) -> LoadedMap | None:
        """A map of the text, also one that is no table; None where there is none."""
        return self._open().maps.get(name)

    @property
    def metas(self) -> Mapping[str, TableMeta]:
        """What the text declared, by name."""
        return self._open().tables

    def get_table(
        self,
        name: Name,
        keytype: CType | None = None,
        leaftype: CType | None = None,
        reducer: Reducer | None = None,
    ) -> TableBase | QueueStack:
        """A table of the text.

        Args:
            name: As the text calls it.
            keytype: ctypes class of its keys; made of the text's type by default.
            leaftype: Likewise of its values.
            reducer: For tables with a value per CPU: makes one of two.

        Raises:
            KeyError: The text has no such table.
        """
        from syscast.bcc.table import table_of  # noqa: PLC0415 - texts without tables

        wanted = os.fsdecode(as_bytes(name))
        module = self._open()
        meta, held = module.tables.get(wanted), module.maps.get(wanted)
        if meta is None or held is None:
            raise KeyError(name)
        return table_of(self, meta, held, keytype, leaftype, reducer)

    def __getitem__(self, key: Name) -> TableBase | QueueStack:
        found = self.tables.get(key)
        if found is None:
            found = self.tables[key] = self.get_table(key)
        return found

    def __setitem__(self, key: Name, leaf: TableBase | QueueStack) -> None:
        self.tables[key] = leaf

    def __len__(self) -> int:
        return len(self.tables)

    def __bool__(self) -> bool:
        return True

    def __delitem__(self, key: Name) -> None:
        del self.tables[key]

    def __iter__(self) -> Iterator[object]:
        return iter(self.tables)

    def decode_table(self, table_name: Name, sizeinfo: bool = False) -> str:
        """How a table's keys and values lie in memory, as text."""
        name = os.fsdecode(as_bytes(table_name))
        from syscast.bcc.disassembler import decode_map  # noqa: PLC0415 - for looking at programs

        return decode_map(name, self[table_name], self.metas[name].type, sizeinfo)

    # ------------------------------------------------------------ looking at programs

    def disassemble_func(self, func_name: Name) -> str:
        """A program's instructions as text."""
        from syscast.bcc.disassembler import disassemble_prog  # noqa: PLC0415 - as above

        return disassemble_prog(func_name, self.dump_func(func_name))

    def to_python(self) -> str:
        """The nearest probes in syscast's own language, as text: a way to begin a migration."""
        from syscast.bcc import migrate  # noqa: PLC0415 - it needs the front end for C
        from syscast.bcc.surroundings import Host  # noqa: PLC0415

        attached = {
            os.fsdecode(function): [migrate.Target(*each) for each in places]
            for function, places in self.attached_to.items()
        }
        text = migrate.Text(
            self._text.decode("utf-8", "replace"), self._path, self._flags, self._open().names
        )
        return migrate.to_python(text, self.metas, attached, Host())

    def _show_programs(self) -> None:
        for name in self._open().names:
            say(f"{self.disassemble_func(os.fsencode(name))}")

    # ------------------------------------------------------------ the kernel

    @classmethod
    def monotonic_time(cls) -> int:
        """CLOCK_MONOTONIC in nanoseconds, as ``bpf_ktime_get_ns`` gives it."""
        return time.clock_gettime_ns(cls.CLOCK_MONOTONIC)

    @classmethod
    def generate_auto_includes(cls, program_words: Sequence[str]) -> str:
        """Include lines for words of a program; they have no effect here, types come from BTF."""
        return "".join(
            f"#include <{header}>\n"
            for header, keywords in cls._auto_includes.items()
            if any(keyword in word for keyword in keywords for word in program_words)
        )

    def get_syscall_prefix(self) -> bytes:
        """What the kernel puts before the names of system calls."""
        return syscallnames.prefix()

    def get_syscall_fnname(self, name: Name) -> bytes:
        """The kernel function of a system call."""
        return syscallnames.function_of(name)

    def fix_syscall_fnname(self, name: Name) -> bytes:
        """The name of this kernel for one with the prefix of any."""
        return syscallnames.fixed(name)

    # ------------------------------------------------------------ the end

    def free_bcc_memory(self) -> int:
        """Of no effect: nothing of a compiler stays in this process; gives 0, as bcc on success."""
        return 0

    def donothing(self) -> None:
        """Nothing; some scripts give it as a signal's handler."""

    def cleanup(self) -> None:
        """Detach everything and close it; a second call does nothing."""
        if self._cleaned:
            return
        self._cleaned = True
        atexit.unregister(self.cleanup)
        drops = (
            *(self._drop_kprobes, self._drop_uprobes, self._drop_tracepoints),
            *(self._drop_tracing, self._drop_perf_events),
        )
        close_all([held for drop in drops for held in drop()])
        self._close_buffers()
        self._close_pipe()
        self.tables.clear()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cleanup()


def _source(text: Name | None) -> bytes:
    """The text's bytes; unlike names, text is UTF-8 whatever the locale."""
    if text is None:
        return b""
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else bytes(text)
