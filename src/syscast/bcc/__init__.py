"""bcc's Python API on syscast: ``from syscast.bcc import BPF``.

The modules have bcc's names (``table``, ``utils``, ``containers``, ``syscall``, ``tcp``, ``exec``, ``usdt``, ``perf``,
``disassembler``), since scripts import from them; what is behind ``BPF`` has modules of its own. Names are
imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module

from syscast._version import __version__

_FROM = {
    "syscast.bcc.bpf": "BPF",
    "syscast.bcc.constants": (
        "BPFAttachType BPFProgType PerfEventSampleFormat PerfHWConfig PerfSWConfig PerfType XDPAction XDPFlags "
        "DEBUG_BPF DEBUG_BPF_REGISTER_STATE DEBUG_BTF DEBUG_LLVM_IR DEBUG_PREPROCESSOR DEBUG_SOURCE "
        "LOG_BUFFER_SIZE"
    ),
    "syscast.bcc.disassembler": "decode_map disassemble_prog",
    "syscast.bcc.perf": "Perf",
    "syscast.bcc.programs": "_get_num_open_probes",
    "syscast.bcc.symcaches": "SymbolCache",
    "syscast.bcc.table": "PerfEventArray RingBuf Table",
    "syscast.bcc.tracepoints": "TRACEFS",
    "syscast.bcc.usdt": "USDT USDTException",
    "syscast.bcc.utils": "ArgString StrcmpRewrite _assert_is_bytes get_online_cpus printb",
}
_WHERE = {name: module for module, names in _FROM.items() for name in names.split()}
_MODULES = frozenset(
    "containers disassembler exec perf syscall table tcp usdt utils".split()  # noqa: SIM905
)

__all__ = ["__version__", *_WHERE]  # noqa: PLE0604 - all are text


def __getattr__(name: str) -> object:
    module = _WHERE.get(name)
    if module is not None:
        found: object = getattr(import_module(module), name)
        globals()[name] = found
        return found
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHERE, *_MODULES})
