"""The exceptions of syscast: one tree, one form of message.

A message reads ``<object> '<name>': <act>: <cause> (<likely cure>)``, lower case and without
a full stop, so that it stands well behind ``syscast: `` on a terminal.
"""

from __future__ import annotations

import errno as _errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class SyscastError(Exception):
    """Base of every error that syscast raises on purpose."""


class TargetError(SyscastError):
    """No such function, tracepoint, syscall, field or symbol.

    Attributes:
        near: Names that exist and read alike, best first.
    """

    def __init__(self, message: str, near: Sequence[str] = ()) -> None:
        self.near: tuple[str, ...] = tuple(near)
        if self.near:
            message = f"{message} (did you mean {', '.join(self.near)}?)"
        super().__init__(message)


class FormatError(SyscastError):
    """Bytes that are not the BTF, ELF or record they claim to be."""


class UsageError(SyscastError):
    """Arguments that do not go together, or values out of their range."""


class KernelError(SyscastError):
    """The kernel refused a call.

    Attributes:
        errno: The C ``errno`` value.
        command: The call that failed, in the kernel's words, such as ``BPF_MAP_CREATE``.
    """

    def __init__(self, message: str, errno: int = 0, command: str = "") -> None:
        super().__init__(message)
        self.errno = errno
        self.command = command

    @property
    def errno_name(self) -> str:
        """The symbol of the errno, such as ``EPERM``."""
        return _errno.errorcode.get(self.errno, str(self.errno))

    @classmethod
    def from_errno(cls, subject: str, errno: int, command: str, cure: str = "") -> KernelError:
        """Build the error for one refused call.

        Args:
            subject: Object, name and act: ``map 'events': create``.
            errno: The C ``errno`` value.
            command: The kernel's name of the call.
            cure: The likely cure, without parentheses.
        """
        cause = os.strerror(errno).lower()
        text = f"{subject}: {cause}" + (f" ({cure})" if cure else "")
        kind: type[KernelError] = cls
        if cls is KernelError and errno in {_errno.EPERM, _errno.EACCES}:
            kind = PermissionDeniedError
        return kind(text, errno, command)


class NotSupportedError(KernelError):
    """The running kernel lacks a feature; the message names it."""


class PermissionDeniedError(KernelError):
    """The caller lacks a capability; the message names it."""


class VerifierError(KernelError):
    """The verifier refused a program.

    Attributes:
        log: The verifier's whole log.
        bug: The program is a probe in Python, and nothing that its author wrote explains the
            refusal: it is the compiler's fault.
    """

    def __init__(
        self,
        message: str,
        errno: int = 0,
        command: str = "",
        log: str = "",
        *,
        bug: bool = False,
    ) -> None:
        super().__init__(message, errno, command)
        self.log = log
        self.bug = bug


class FullError(SyscastError):
    """A map of probes has no room for another key; in a probe it ends that run and is counted."""


class LimitError(SyscastError):
    """A loop went on past the limit that was stated for it.

    In a probe it ends the run and is counted at the loop's line; plain Python raises it.
    """


class LostEventsWarning(UserWarning):
    """Events were lost; the session's ledger says where."""


class SampledEventsWarning(UserWarning):
    """Events are left out by sampling, as was asked for; the session's ledger counts them."""


class InternalError(Exception):
    """A bug of syscast, not of its user.

    Attributes:
        cause: What is wrong, in one line.
        details: What a report needs: the IR, the compiler's last words.
    """

    def __init__(self, cause: str, details: str = "") -> None:
        self.cause = cause
        self.details = details
        text = f"{cause}; this is a bug in syscast, please report it"
        super().__init__(f"{text}\n{details}" if details else text)

    @property
    def report(self) -> str:
        """Cause and details, without the request to report them."""
        return f"{self.cause}\n{self.details}" if self.details else self.cause
