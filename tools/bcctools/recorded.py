"""`python recorded.py OUT FACTS TOOL ARGS...`: runs a tool with a `bcc` that compiles and traces nothing, and writes the C it asks for.

The tool runs until it would attach something. OUT gets one JSON object: ``texts`` (the C, with its cflags, in the order of the ``BPF`` calls)
and ``options`` (what the tool's argument parser knows). FACTS is a JSON object of what the kernel is said to have; see `Facts` in `record.py`.
"""

# ruff: noqa: D102 - the methods are bcc's, and documented there

from __future__ import annotations

import argparse
import builtins
import importlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

ARGUMENTS = " ".join(
    f"8@{place}"
    for place in (
        ["%rdi", "%rsi", "%rdx", "%rcx", "%r8", "%r9", "(%rsp)", "8(%rsp)", "16(%rsp)", "24(%rsp)"]
    )
)
OUT: dict[str, list[object]] = {"texts": [], "options": []}


def finish() -> None:
    """Write what was found and end, whatever the tool has open."""
    sys.stdout.flush()
    Path(sys.argv_out).write_text(json.dumps(OUT))  # type: ignore[attr-defined]
    os._exit(0)


class Anything:
    """Stands for what a tool would go on with."""

    def __getattr__(self, name: str) -> object:
        finish()
        return name

    def __getitem__(self, name: object) -> object:
        finish()
        return name


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value or "")


class BPF:
    """Answers what tools ask before they have a program; records the program."""

    facts: ClassVar[dict[str, bool]] = {}
    Function = Anything

    def __init__(  # noqa: PLR0913, PLR0917  (bcc's signature)
        self,
        src_file: object = b"",
        hdr_file: object = b"",
        text: object = None,
        debug: int = 0,
        cflags: object = (),
        usdt_contexts: Sequence[USDT] = (),
        allow_rlimit: object = None,
        device: object = None,
        attach_usdt_ignore_pid: object = None,
    ) -> None:
        del hdr_file, debug, allow_rlimit, device, attach_usdt_ignore_pid
        if src_file:
            path = Path(str(_packaged(_text(src_file))))
            text = (path if path.exists() else Path(sys.argv[0]).parent / path).read_text()
        readers = "".join(each.get_text() for each in usdt_contexts)
        flags = [_text(each) for each in cflags]  # type: ignore[attr-defined]
        OUT["texts"].append({"text": readers + _text(text), "cflags": flags})

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        finish()
        return name

    def __getitem__(self, name: object) -> object:
        finish()
        return name

    def cleanup(self) -> None:
        """Nothing is open."""

    @staticmethod
    def get_syscall_prefix() -> bytes:
        return b"__x64_sys_"

    @staticmethod
    def get_syscall_fnname(name: object) -> bytes:
        return b"__x64_sys_" + _text(name).encode()

    @staticmethod
    def get_kprobe_functions(event_re: object) -> list[bytes]:
        pattern = _text(event_re)
        known = ("vfs_read", "vfs_write", "vfs_open", "do_nanosleep", "blk_account_io_done")
        plain = [pattern.strip("^$")] if re.fullmatch(r"\^?[\w.]+\$?", pattern) else []
        found = plain or [each for each in known if re.fullmatch(pattern, each)] or list(known)
        return [each.encode() for each in found] if BPF.facts.get("functions", True) else []

    @staticmethod
    def get_user_functions_and_addresses(name: object, sym_re: object) -> list[tuple[bytes, int]]:
        del name, sym_re
        return [(b"malloc", 0x1000), (b"free", 0x2000)]

    @staticmethod
    def get_user_functions(name: object, sym_re: object) -> list[bytes]:
        del name, sym_re
        return [b"malloc", b"free"]

    @staticmethod
    def get_tracepoints(tp_re: object) -> list[bytes]:
        del tp_re
        return [b"sched:sched_switch"]

    @staticmethod
    def kernel_struct_has_field(struct: object, field: object) -> int:
        del struct, field
        return int(BPF.facts.get("fields", True))

    @staticmethod
    def kernel_enum_has_val(enum: object, value: object) -> int:
        del enum, value
        return 1

    @staticmethod
    def tracepoint_exists(category: object, event: object) -> bool:
        del category, event
        return BPF.facts.get("tracepoints", True)

    @staticmethod
    def support_kfunc() -> bool:
        return BPF.facts.get("kfunc", True)

    support_lsm = support_fmod_ret = support_kfunc

    @staticmethod
    def support_raw_tracepoint() -> bool:
        return BPF.facts.get("raw_tracepoints", True)

    support_raw_tracepoint_in_module = support_raw_tracepoint

    @staticmethod
    def ksymname(name: object) -> int:
        del name
        return 1 if BPF.facts.get("functions", True) else -1

    @staticmethod
    def find_exe(path: object) -> bytes:
        return b"/usr/bin/" + _text(path).encode()

    @staticmethod
    def find_library(name: object) -> bytes:
        return b"/lib/lib" + _text(name).encode() + b".so"

    @classmethod
    def generate_auto_includes(cls, words: object) -> str:
        del words
        return ""

    @classmethod
    def monotonic_time(cls) -> int:
        return 0

    @staticmethod
    def get_probe_limit() -> int:
        return 1000

    @staticmethod
    def num_open_kprobes() -> int:
        return 0


for _name in "SOCKET_FILTER KPROBE SCHED_CLS SCHED_ACT TRACEPOINT XDP PERF_EVENT RAW_TRACEPOINT TRACING LSM".split():  # noqa: SIM905
    setattr(BPF, _name, 0)


class USDT:
    """A library's markers, of which all names exist."""

    def __init__(self, pid: object = None, path: object = None) -> None:
        self.pid, self.path = pid, path

        self._enabled: dict[str, str] = {}

    def enable_probe(self, probe: object, fn_name: object) -> None:
        """Note the probe."""
        self._enabled[_text(fn_name)] = _text(probe)

    enable_probe_or_bail = enable_probe

    def get_text(self) -> str:
        """Readers of ten arguments, each where a function has its own."""
        from syscast.bcc.usdtargs import reader  # noqa: PLC0415 - only where a tool has USDT probes
        from syscast.elf import EM_X86_64  # noqa: PLC0415
        from syscast.symbols.sdtoperands import arguments  # noqa: PLC0415
        from syscast.symbols.stapsdt import Location, Probe  # noqa: PLC0415

        places = (Location(0, 0, 0, arguments(ARGUMENTS, EM_X86_64)),)
        return "".join(
            reader(Probe("/bin/sh", "any", probe, places), name)
            for name, probe in self._enabled.items()
        )

    def get_context(self) -> int:
        return 1

    def get_probe_arg_ctype(self, probe: object, index: object) -> str:
        del probe, index
        return "uint64_t"

    def enumerate_probes(self) -> list[object]:
        return []


class _Constants:
    """PerfType, PerfSWConfig, ...: numbers nobody looks at."""

    def __getattr__(self, name: str) -> int:
        return 0


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    sys.modules[name] = module
    return module


def install() -> None:
    """Make `bcc` importable: the stand-ins above, and the drop-in's modules where they compute C or constants."""
    bcc = _module("bcc")
    bcc.__path__ = []  # type: ignore[attr-defined]
    bcc.BPF, bcc.USDT, bcc.USDTException = BPF, USDT, Exception  # type: ignore[attr-defined]
    bcc.__version__ = "0.26.0"  # type: ignore[attr-defined]
    for name in ("PerfType", "PerfHWConfig", "PerfSWConfig"):
        setattr(bcc, name, _Constants())
    for name in ("utils", "containers", "syscall", "tcp", "exec"):
        part = importlib.import_module(f"syscast.bcc.{name}")
        sys.modules[f"bcc.{name}"] = part
        setattr(bcc, name, part)
    for name in ("ArgString", "StrcmpRewrite", "printb"):
        setattr(bcc, name, getattr(bcc.utils, name))


def _ask_this_kernel() -> None:
    """Let the drop-in answer what tools ask of types and of what attaches."""
    real = importlib.import_module("syscast.bcc").BPF
    for name in (
        "kernel_struct_has_field",
        "kernel_enum_has_val",
        "support_kfunc",
        "support_raw_tracepoint",
    ):
        setattr(BPF, name, staticmethod(getattr(real, name)))


def _watch_options() -> None:
    """Note the options of the tool's parser when it parses."""
    real = argparse.ArgumentParser.parse_known_args

    def parse_known_args(self: argparse.ArgumentParser, *args: object, **kwargs: object) -> object:
        OUT["options"] = [
            {
                "flag": max(action.option_strings, key=len),
                "takes": action.nargs != 0,
                "number": action.type is int,
                "choices": [str(each) for each in action.choices or ()],
            }
            for action in self._actions
            if action.option_strings and not isinstance(action, argparse._HelpAction)  # noqa: SLF001
        ]
        return real(self, *args, **kwargs)  # type: ignore[arg-type]

    argparse.ArgumentParser.parse_known_args = parse_known_args  # type: ignore[assignment, method-assign]


class _Quiet:
    """A terminal, a module: whatever is asked of it is itself."""

    def __getattr__(self, name: str) -> object:
        return self

    def __call__(self, *args: object) -> object:
        return args[0](self, *args[1:]) if args and callable(args[0]) else self


KALLSYMS = "".join(
    f"ffffffff8100{at:04x} D {name}\n"
    for at, name in enumerate(
        [
            "vm_zone_stat",
            "node_data",
            "contig_page_data",
            "btrfs_file_operations",
            "ext4_file_operations",
            "xfs_file_operations",
            "nfs_file_operations",
            "zpl_file_operations",
            "start_critical_timing",
        ]
    )
)


def _packaged(path: object) -> object:
    """The file of the package that an unpacked tool means by an installed one."""
    installed = "/usr/share/bpfcc-tools/"
    if str(path).startswith(installed) and not os.path.lexists(str(path)):
        return (
            Path(sys.argv[0]).resolve().parent.parent
            / "share/bpfcc-tools"
            / str(path).removeprefix(installed)
        )
    return path


def _pretend() -> None:
    """A kernel and a machine that have what tools look for before they make their text; and nothing to wait for."""
    real_open, real_exists = open, os.path.exists

    def pretended_open(path: object, *args: object, **kwargs: object) -> object:
        if path == "/proc/kallsyms":
            return io.StringIO(KALLSYMS)
        return real_open(_packaged(path), *args, **kwargs)  # type: ignore[call-overload]

    def exists(path: object) -> bool:
        return re.search(
            "^/sys/kernel/(debug|tracing)|tracing/events", _text(path)
        ) is not None or real_exists(path)  # type: ignore[arg-type]

    builtins.open = pretended_open
    os.path.exists = exists
    os.isatty = lambda fd: False  # noqa: ARG005
    time.sleep = lambda seconds: finish()  # type: ignore[assignment]  # noqa: ARG005
    subprocess.check_output = lambda *args, **kwargs: b"GenuineIntel kvm_intel 1\n"  # type: ignore[assignment]  # noqa: ARG005
    sys.modules["curses"] = _Quiet()


def main() -> None:
    """Run the tool."""
    out, facts, tool, *arguments = sys.argv[1:]
    sys.argv_out = out  # type: ignore[attr-defined]
    BPF.facts = json.loads(facts)
    install()
    if BPF.facts.get("this_kernel"):
        _ask_this_kernel()
    _watch_options()
    _pretend()
    sys.argv = [tool, *arguments]
    sys.path[0] = str(Path(tool).parent)
    try:
        runpy.run_path(tool, run_name="__main__")
    finally:
        Path(out).write_text(json.dumps(OUT))


if __name__ == "__main__":
    main()
