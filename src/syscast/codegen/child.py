"""LLVM in a child process.

LLVM ends its process on errors that it calls fatal, and keeps 100 MB once it is loaded; neither may
happen to a process that traces. The child is a plain interpreter without site packages (-I -S)
that runs ``llvm.py`` by its path. A `Child` serves many compiles and is closed after the last.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from typing import TYPE_CHECKING, Self

from syscast.errors import InternalError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

TIMEOUT = 60.0
"""Seconds for the child to start and to compile a small module."""
_SMALL = 300_000
"""Bytes of LLVM IR; larger modules have more time, since an emulated machine may be that slow."""

_START = (
    "import sys; sys.path.append(sys.argv[1]);"
    "exec(compile(open(sys.argv[2]).read(), sys.argv[2], 'exec'), {'__name__': '__main__'})"
)
_OK = 0
_BROKEN = ("ImportError:", "ModuleNotFoundError:", "OSError:")


_HELD_BACK = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Child:
    """One running child; a context manager.

    Attributes:
        meanwhile: Called once while LLVM works, for what is needed afterwards.
    """

    def __init__(self) -> None:
        """Start it.

        Raises:
            NotSupportedError: llvmlite is not installed, or the process cannot be started.
        """
        self.meanwhile: Callable[[], object] | None = None
        spec = importlib.util.find_spec("llvmlite")
        if spec is None or spec.origin is None:
            raise NotSupportedError(
                "compiler 'llvmlite': start: not installed"
                " (install it with `pip install llvmlite`, or run an object built elsewhere)"
            )
        # This module is loaded while a probe waits to be compiled, and pathlib would cost it 5 ms.
        site = os.path.dirname(os.path.dirname(spec.origin))  # noqa: PTH120
        pipes = [_pipe() for _ in range(3)]
        (stdin, self._stdin), (self._stdout, stdout), (self._stderr, stderr) = pipes
        actions = [
            (os.POSIX_SPAWN_DUP2, end, number)
            for number, end in enumerate((stdin, stdout, stderr))
        ]
        arguments = [sys.executable, "-I", "-S", "-c", _START, site]
        arguments.append(os.path.join(os.path.dirname(__file__), "llvm.py"))  # noqa: PTH118, PTH120
        try:
            self._pid = os.posix_spawn(
                sys.executable,
                arguments,
                dict(os.environ),
                file_actions=actions,
                setsigmask=_HELD_BACK,  # a terminal's Ctrl-C is for the parent, who kills the child
            )
        except OSError as error:
            for end in (self._stdin, self._stdout, self._stderr):
                os.close(end)
            raise NotSupportedError(
                f"compiler: start {sys.executable}: {os.strerror(error.errno or 0).lower()} "
                "(LLVM runs in a child process: this user must be able to run this Python)",
                error.errno or 0,
                "posix_spawn",
            ) from None
        finally:
            for end in (stdin, stdout, stderr):
                os.close(end)
        self._open = True

    def compile(self, text: str, cpu: str, *, unroll: bool = False) -> bytes:
        """Compile one module.

        Args:
            text: LLVM IR.
            cpu: BPF instruction set: ``v1``, ``v2`` or ``v3``.
            unroll: Unroll loops of few rounds.

        Raises:
            InternalError: LLVM refused the text, died of it or took too long; the child is gone.
            NotSupportedError: llvmlite is installed, and cannot be imported.
        """
        request = f"{cpu}{' unroll' if unroll else ''}\n{text}".encode()
        import threading  # noqa: PLC0415  (by now the child is on its way: this costs no time)

        watchdog = threading.Timer(TIMEOUT * (1 + len(request) / _SMALL), self._kill)
        watchdog.daemon = True  # an exception right behind start() leaves it to itself
        try:
            watchdog.start()
            _write_all(self._stdin, len(request).to_bytes(4, "little") + request)
            if self.meanwhile is not None:
                self.meanwhile()
                self.meanwhile = None
            size = int.from_bytes(_read_all(self._stdout, 4), "little")
            answer = _read_all(self._stdout, size)
        except (BrokenPipeError, EOFError):
            raise self._died(text) from None
        finally:
            watchdog.cancel()
        if answer[0] != _OK:
            raise InternalError(f"LLVM refused its input: {answer[1:].decode()}", text)
        return answer[1:]

    def end(self) -> None:
        """Let it go; `close` waits until it has. It has nothing to tidy up, so it is killed."""
        self._kill()

    def close(self) -> None:
        """End the child and wait for it: the kernel takes 5 ms to take its memory apart."""
        if not self._open:
            return
        self._kill()
        self._open = False
        for end in (self._stdin, self._stdout, self._stderr):
            os.close(end)
        os.waitpid(self._pid, 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _kill(self) -> None:
        if self._open:
            os.kill(self._pid, signal.SIGKILL)

    def _died(self, text: str) -> InternalError | NotSupportedError:
        """Gather what the child said last."""
        words = bytearray()
        while part := os.read(self._stderr, 65536):
            words += part
        self.close()
        lines = words.decode(errors="replace").strip().splitlines()
        said = next((line for line in reversed(lines) if "LLVM ERROR" in line), "")
        said = said or (lines[-1] if lines else "it took too long, or was killed")
        if said.startswith(_BROKEN):
            return NotSupportedError(
                f"compiler 'llvmlite': start: {said} (install it anew: `pip install llvmlite`)"
            )
        return InternalError(f"LLVM ended: {said}", text)


def _pipe() -> tuple[int, int]:
    """A pipe with both ends above the standard descriptors, closed on exec."""
    low = []
    read, write = os.pipe()
    while min(read, write) <= 2:
        low += [read, write]
        read, write = os.pipe()
    for end in low:
        os.close(end)
    return read, write


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _read_all(fd: int, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(fd, size - len(data))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
