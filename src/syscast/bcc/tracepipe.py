"""What ``bpf_trace_printk`` writes: tracefs' ``trace_pipe``, which all readers of a machine share."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from syscast.kernel import tracefs

if TYPE_CHECKING:
    import io
    from typing import TypeAlias

Fields: TypeAlias = (
    "tuple[bytes, int, int, bytes, float, bytes] | tuple[None, None, None, None, None, None]"
)
NOTHING = (None, None, None, None, None, None)
_LOST = b"CPU:"  # "CPU:1 [LOST 12 EVENTS]"
_LONGEST = 1024
# The kernel's "%16s-%-7d", then the thread group where the option record-tgid is on, CPU, flags, time.
_LINE = re.compile(
    rb"(?P<task>.{16,}?)-(?P<pid>\d+) +(?:\([^)]*\) +)?\[(?P<cpu>\d+)\] +(?P<flags>\S+) +"
    rb"(?P<time>[\d.]+): [^:]*: ?(?P<text>.*)",
    re.DOTALL,
)


class TracePipe:
    """What `BPF` knows of the pipe.

    Attributes:
        tracefile: The open pipe, or None.
    """

    tracefile: io.BufferedReader | None = None

    def trace_open(self, nonblocking: bool = False) -> io.BufferedReader:
        """Open the pipe once.

        Args:
            nonblocking: Reading gives nothing where there is nothing, instead of waiting.

        Raises:
            NotSupportedError: tracefs is not mounted.
            OSError: The pipe cannot be opened.
        """
        if self.tracefile is None:
            self.tracefile = open(f"{tracefs.root()}/trace_pipe", "rb")  # noqa: PTH123, SIM115
        if nonblocking:
            os.set_blocking(self.tracefile.fileno(), False)
        return self.tracefile

    def trace_readline(self, nonblocking: bool = False) -> bytes | None:
        """One line without its end; None, or nothing, where none is there; raises as `trace_open`."""
        pipe = self.trace_open(nonblocking)
        try:
            line: bytes | None = pipe.readline(
                _LONGEST
            )  # None: nothing there, whatever its type says
        except BlockingIOError:
            return None
        return line.rstrip() if line is not None else None

    def trace_fields(self, nonblocking: bool = False) -> Fields:
        """One line in parts: task, pid, cpu, flags, time stamp in seconds, message.

        Returns:
            Six times None where ``nonblocking`` finds nothing.

        Raises:
            NotSupportedError: tracefs is not mounted.
        """
        while True:
            line = self.trace_readline(nonblocking)
            if not line and nonblocking:
                return NOTHING
            if not line or line.startswith(_LOST):
                continue
            return parsed(line)

    def trace_print(self, fmt: str | None = None) -> None:
        """Print lines for ever.

        Args:
            fmt: For ``str.format`` with the parts of `trace_fields`; None prints lines as they come.

        Raises:
            NotSupportedError: tracefs is not mounted.
        """
        while True:
            if fmt:
                fields = self.trace_fields(nonblocking=False)
                print(fmt.format(*fields))  # noqa: T201 - it is what it is for
            else:
                print(self.trace_readline(nonblocking=False))  # noqa: T201
            sys.stdout.flush()

    def _close_pipe(self) -> None:
        if self.tracefile is not None:
            self.tracefile.close()
            self.tracefile = None


def parsed(line: bytes) -> tuple[bytes, int, int, bytes, float, bytes]:
    """The parts of a line; a line of another form is all message, of a task ``Unknown``."""
    found = _LINE.match(line)
    if found is None:
        return b"Unknown", 0, 0, b"Unknown", 0.0, line
    return (
        found["task"].lstrip(),
        int(found["pid"]),
        int(found["cpu"]),
        found["flags"],
        float(found["time"]),
        found["text"],
    )
