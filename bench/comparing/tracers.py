"""The tracers that are compared: how each is started, and what it can do."""

# ruff: noqa: S603, T201, TID251 - a benchmark starts programs and prints

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import peers

HERE = Path(__file__).resolve().parents[1]
READERS = HERE / "readers"
DEFAULT_C_RING = 1 << 18
BEST_RING = peers.RING_PAGES * 4096

_BPFTRACE = """
tracepoint:syscalls:sys_enter_getppid /pid == PID/ {
  printf("%llu %llu %d %d %d %d %s\\n", nsecs, cgroup, pid, tid, cpu, 110, comm);
}"""


@dataclass(frozen=True)
class Tracer:
    """One tracer with one choice of settings.

    Attributes:
        name: As in the tables.
        family: ``syscast``, ``bcc``, ``bpftrace`` or ``C``.
        settings: ``default`` or ``best``.
        form: How its user gets events.
        reading: Command that counts; ``PID`` and ``WHAT`` (count or latency) are put in. Empty where it prints lines only.
        lines: Command that prints a line for each event.
        environment: More variables.
    """

    name: str
    family: str
    settings: str
    form: str
    reading: tuple[str, ...]
    lines: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def counting(self, pid: int, what: str) -> list[str]:
        """The command that counts events of a process, or takes their latencies."""
        return [{"PID": str(pid), "WHAT": what}.get(word, word) for word in self.reading]

    def printing(self, pid: int) -> list[str]:
        """The command that prints them."""
        return [word.replace("PID", str(pid)) for word in self.lines]

    def variables(self) -> dict[str, str]:
        """Its environment."""
        return {**os.environ, **self.environment}


class Workshop:
    """A directory with what has to be built: the C program and its BPF object."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="syscast-compare-")
        self.path = Path(self._directory.name)
        self.why_no_c = ""
        self.reader: Path | None = None
        self.object = self.path / "flood.bpf.o"

    def __enter__(self) -> Self:
        try:
            self._build()
        except (OSError, subprocess.CalledProcessError) as error:
            self.reader = None
            self.why_no_c = str(getattr(error, "stderr", b"") or error)
        return self

    def __exit__(self, *error: object) -> None:
        self._directory.cleanup()

    def _build(self) -> None:
        for tool in ("clang", "bpftool", "cc"):
            if shutil.which(tool) is None:
                raise OSError(f"{tool} is not installed")
        with (self.path / "vmlinux.h").open("wb") as header:
            words = ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
            subprocess.run(words, check=True, stdout=header)
        arch = {"x86_64": "x86", "aarch64": "arm64"}[platform.machine()]
        words = ["clang", "-O2", "-g", "-mcpu=v3", "-target", "bpf", f"-D__TARGET_ARCH_{arch}"]
        words += [f"-I{self.path}", "-c", str(READERS / "flood.bpf.c"), "-o", str(self.object)]
        subprocess.run(words, check=True, stderr=subprocess.PIPE)
        made = self.path / "reader"
        words = ["cc", "-O2", "-o", str(made), str(READERS / "reader.c"), "-lbpf"]
        subprocess.run(words, check=True, stderr=subprocess.PIPE)
        self.reader = made


def all_tracers(workshop: Workshop) -> list[Tracer]:
    """Those that are installed here; says which are not."""
    found = [*_syscast(), *_bcc(), *_bpftrace()]
    if workshop.reader is not None:
        found += _in_c(workshop)
    else:
        print(f"C on libbpf: left out: {workshop.why_no_c}", file=sys.stderr)
    families = {each.family for each in found}
    for name in {"bcc", "bpftrace"} - families:
        print(f"{name}: left out: it is not installed", file=sys.stderr)
    return found


def _syscast() -> list[Tracer]:
    script = Path(sys.executable).with_name("syscast")
    command = (str(script),) if script.exists() else (sys.executable, "-m", "syscast")
    lines = (
        *command,
        "trace",
        "tracepoint:syscalls:sys_enter_getppid",
        "110 as value",
        "--pid",
        "PID",
        "--json",
    )
    reader = (sys.executable, str(READERS / "reader_syscast.py"), "PID")
    return [
        Tracer(f"syscast, {form}", "syscast", "default", form, (*reader, form, "WHAT"), lines)
        for form in ("objects", "tuples", "batches")
    ]


def _bcc() -> list[Tracer]:
    if peers.bcc("", 0) is None:
        return []
    reader = (str(peers.PYTHON), str(READERS / "reader_bcc.py"), "PID")
    return [
        Tracer(
            f"bcc, {name}", "bcc", settings, "callbacks",
            (*reader, settings, "WHAT"), (*reader, settings, "lines"),
        )
        for settings, name in (("default", "perf buffer (default)"), ("best", "ring buffer of 4 MiB"))
    ]  # fmt: skip


def _bpftrace() -> list[Tracer]:
    path = shutil.which("bpftrace")
    if path is None:
        return []
    best = {"BPFTRACE_PERF_RB_PAGES": str(peers.RING_PAGES // 2)}
    return [
        Tracer("bpftrace, defaults", "bpftrace", "default", "lines", (), (path, "-e", _BPFTRACE)),
        Tracer(
            "bpftrace, rings of 2 MiB a CPU", "bpftrace", "best", "lines",
            (), (path, "-B", "full", "-e", _BPFTRACE), best,
        ),
    ]  # fmt: skip


def _in_c(workshop: Workshop) -> list[Tracer]:
    found = []
    for settings, size, name in (
        ("default", DEFAULT_C_RING, "256 KiB"),
        ("best", BEST_RING, "4 MiB"),
    ):
        words = (str(workshop.reader), str(workshop.object), "PID", str(size))
        found.append(
            Tracer(
                f"C on libbpf, ring of {name}", "C", settings, "callbacks",
                (*words, "WHAT"), (*words, "lines"),
            )
        )  # fmt: skip
    return found
