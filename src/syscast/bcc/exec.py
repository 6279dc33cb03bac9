"""bcc's module ``exec``: a command that tools start themselves, and trace from its first instruction on."""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Protocol

from syscast.kernel.spawn import StoppedCommand

if TYPE_CHECKING:
    from collections.abc import Sequence


class HasCommand(Protocol):
    """A tool's options."""

    @property
    def command(self) -> Sequence[str]:
        """The command and its arguments."""
        ...


_running: list[StoppedCommand] = []


def run_cmd(args: Sequence[str] | HasCommand) -> int:
    """Start a command that waits until `cmd_ready`.

    Args:
        args: The command and its arguments, or the options that hold them as ``command``.

    Returns:
        Its process id.

    Raises:
        UsageError: There is no such command.
    """
    argv = list(args) if isinstance(args, (list, tuple)) else list(getattr(args, "command"))  # noqa: B009
    started = StoppedCommand(argv)
    for old in _running:
        old.close()
    _running[:] = [started]
    atexit.register(started.close)
    return started.pid


def cmd_ready() -> None:
    """Let the command run, once the probes are in place."""
    if _running:
        _running[0].release()


def cmd_exited() -> bool:
    """Whether the command has ended."""
    return bool(_running) and _running[0].poll() is not None
