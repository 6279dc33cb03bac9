"""A command that exists before it runs.

Probes that follow one command must be attached before its first instruction, and they need its
process number to filter by. So the process is forked first and waits on a pipe; ``release``
lets it call execve(2). Between that and its first own instruction it makes no other call than the
end of its read and execve itself, so that nothing of this package shows up among its events.

The child's copies of rings and links end at exec. If this process dies before ``release``, the
pipe ends and the child goes away without having run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import warnings
from typing import TYPE_CHECKING, NoReturn, Self

from syscast.errors import KernelError, UsageError
from syscast.kernel.descriptors import Fd
from syscast.kernel.polling import readable
from syscast.kernel.signals import Blocked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_GO = b"g"
_ERRNO_BYTES = 4
_NOT_RUN = 127


class StoppedCommand:
    """One command: forked at once, run by ``release``, reaped by ``wait`` or ``poll``.

    It inherits the standard streams, the environment and the terminal, so that Ctrl-C reaches it
    too. Signals are at their defaults and unblocked in it.

    Attributes:
        argv: The command and its arguments.
        pid: The process, from the start.
        pidfd: Readable once the process has ended; for a ``Poller``.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Fork it.

        Args:
            argv: The command, looked up in PATH if it has no slash, and its arguments.
            env: Environment; that of this process if None.

        Raises:
            UsageError: No command, or none of that name, or not executable.
            KernelError: fork(2) failed.
        """
        if isinstance(argv, str):
            raise UsageError(
                f"command {argv!r}: start: a command is a list of words ({argv.split()!r})"
            )
        self.argv: tuple[str, ...] = tuple(argv)
        environment = dict(os.environ if env is None else env)
        path = _find(self.argv, environment)
        self._exit: int | None = None
        go_reading, self._go = Fd.pipe("start signal")
        self._error, error_writing = Fd.pipe("exec error")
        try:
            # From Python 3.12 on, fork warns when other threads run. The child only execs.
            with Blocked(), warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.pid: int = os.fork()
                if self.pid == 0:
                    self._run_child(path, environment, go_reading, error_writing)
        except OSError as error:
            self._close_pipes()
            raise KernelError.from_errno(
                f"command '{self.argv[0]}': start", error.errno or 0, "fork"
            ) from None
        finally:
            go_reading.close()
            error_writing.close()
        self.pidfd: Fd = Fd(os.pidfd_open(self.pid), f"command '{self.argv[0]}'")

    def _run_child(self, path: str, environment: dict[str, str], go: Fd, error: Fd) -> NoReturn:
        # Signals are still blocked here, so that no handler of the parent's ever runs. Nothing
        # may escape from this function: two processes would go on as one.
        with contextlib.suppress(BaseException):
            self._go.close()
            self._error.close()
            for number in signal.valid_signals():
                # SIGKILL and SIGSTOP cannot be set, nor some real-time ones that libc keeps.
                with contextlib.suppress(OSError, ValueError):
                    if signal.getsignal(number) != signal.SIG_DFL:
                        signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            if os.read(go.fileno(), 1) == _GO:
                try:
                    os.execve(path, self.argv, environment)  # noqa: S606  # the user's command
                except OSError as problem:
                    code = problem.errno or errno.EINVAL
                    if code == errno.ENOEXEC:
                        # A script without "#!" goes to the shell, as execvp(3) and shells do.
                        os.execve("/bin/sh", ("sh", path, *self.argv[1:]), environment)  # noqa: S606
                    os.write(error.fileno(), code.to_bytes(_ERRNO_BYTES, "little"))
        os._exit(_NOT_RUN)

    def release(self) -> None:
        """Let it run; returns once execve(2) has succeeded.

        Raises:
            KernelError: execve refused; the process is gone.
            UsageError: It was released before, or ended while it was waiting.
        """
        if self._go.closed:
            raise UsageError(f"command '{self.argv[0]}': release: it was released before")
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go.fileno(), _GO)
        self._go.close()
        answer = os.read(self._error.fileno(), _ERRNO_BYTES)
        self._error.close()
        if answer:
            self.wait()
            code = int.from_bytes(answer, "little")
            cure = "its interpreter is missing" if code == errno.ENOENT else ""
            raise KernelError.from_errno(f"command '{self.argv[0]}': run", code, "execve", cure)

    def poll(self) -> int | None:
        """The exit code if it has ended: 0 to 255, or minus the signal's number; else None."""
        if self._exit is None and readable(self.pidfd, 0):
            self.wait()
        return self._exit

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end.

        Args:
            timeout: Seconds; None waits for ever.

        Returns:
            As ``poll``.
        """
        if self._exit is None:
            if timeout is not None and not readable(self.pidfd, timeout):
                return None
            try:
                _, status = os.waitpid(self.pid, 0)
                self._exit = os.waitstatus_to_exitcode(status)
            except ChildProcessError:
                # Somebody else reaped it, or SIGCHLD is ignored: its code is lost.
                self._exit = _NOT_RUN
        return self._exit

    def terminate(self, grace: float = 2.0) -> int | None:
        """End it: SIGTERM, and SIGKILL after ``grace`` seconds; returns as ``poll``."""
        if not self._go.closed:
            self._go.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self.pidfd.fileno(), number)
                self.wait(grace)
        return self._exit

    def close(self) -> None:
        """Give up all descriptors. What never ran ends; what runs goes on, unwatched."""
        if self.pidfd.closed:
            return
        waiting = not self._go.closed
        self._close_pipes()
        if waiting:
            self.wait()
        self.poll()
        self.pidfd.close()

    def _close_pipes(self) -> None:
        self._go.close()
        self._error.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _find(argv: tuple[str, ...], environment: dict[str, str]) -> str:
    if not argv or not argv[0]:
        raise UsageError("command: start: no command given")
    name = argv[0]
    folders = [""] if "/" in name else os.get_exec_path(environment)
    there = False
    for folder in folders:
        path = f"{folder}/{name}" if folder else name
        if os.access(path, os.X_OK) and not _is_directory(path):
            return path
        there = there or os.access(path, os.F_OK)
    if there:
        raise UsageError(f"command '{name}': start: permission denied (not an executable file)")
    where = "no such file" if "/" in name else "command not found"
    raise UsageError(f"command '{name}': start: {where}")


def _is_directory(path: str) -> bool:
    try:
        Fd.open(path, os.O_PATH | os.O_DIRECTORY).close()
    except OSError:
        return False
    return True
