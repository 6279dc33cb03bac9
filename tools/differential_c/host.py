"""The reference: gcc's build of the programs, called in this process."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from differential_c.expressions import WORDS
from differential_c.prelude import COMMON, HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from differential_c.tree import Program

_FLAGS = (
    *("-std=gnu11", "-O1", "-w", "-fwrapv", "-fno-strict-aliasing", "-fno-strict-overflow"),
    *("-shared", "-fPIC", "-Wl,-z,defs", "-x", "c", "-"),
)
_RUN = """\
void run_%s(const struct bpf_raw_tracepoint_args *rows, int count, u32 *out) {
  for (int i = 0; i < count; i++) { struct bpf_raw_tracepoint_args row = rows[i]; out[i] = %s(&row); }
}
"""


class HostError(Exception):
    """Gcc refuses a text: the generator's mistake, or the shrinker went too far."""


def run(programs: Sequence[Program], rows: Sequence[Sequence[tuple[int, ...]]]) -> list[list[int]]:
    """What each program gives for its rows.

    Raises:
        HostError: Gcc refuses the text.
    """
    parts = [HOST, COMMON]
    for program in programs:
        parts += [program.text(), _RUN % (program.name, program.name)]
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "programs.so")
        done = subprocess.run(
            ["gcc", *_FLAGS, "-o", str(library)],
            input="".join(parts).encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise HostError(done.stderr.decode(errors="replace"))
        opened = ctypes.CDLL(str(library))
    return [_called(opened, program, each) for program, each in zip(programs, rows, strict=True)]


def _called(opened: ctypes.CDLL, program: Program, rows: Sequence[tuple[int, ...]]) -> list[int]:
    words = (ctypes.c_uint64 * (12 * len(rows)))()
    for number, row in enumerate(rows):
        words[12 * number : 12 * number + WORDS] = row
    out = (ctypes.c_uint32 * len(rows))()
    opened[f"run_{program.name}"](words, len(rows), out)
    return list(out)
