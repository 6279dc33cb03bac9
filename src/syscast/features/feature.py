"""What a feature is, and what a probe may answer."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from syscast.errors import KernelError, NotSupportedError, PermissionDeniedError, VerifierError

if TYPE_CHECKING:
    from collections.abc import Callable

YES = "yes"
NO = "no"
INCONCLUSIVE = "inconclusive"


class Result(NamedTuple):
    """The answer of one probe; true only if it is yes.

    Attributes:
        outcome: ``yes``, ``no``, or ``inconclusive``: it could not be found out, for lack of
            rights or memory, and may be found out later.
        reason: Why not, in words; empty for yes.
        errno: The C ``errno`` value of what was refused, or 0.
    """

    outcome: str
    reason: str = ""
    errno: int = 0

    def __bool__(self) -> bool:
        return self.outcome == YES


class Feature(NamedTuple):
    """One thing that kernels may or may not do.

    Attributes:
        name: As in ``features.probe(name)``.
        description: What it is, in a few words.
        fallback: What happens without it.
        probe: Finds out, and leaves nothing behind.
        volatile: May change while the machine runs (a mount, a switch): never cached on disk.
        tells: Whoever uses it is told when it is gone: a yes of a volatile one is cached even so.
    """

    name: str
    description: str
    fallback: str
    probe: Callable[[], Result]
    volatile: bool = False
    tells: bool = False


# A refusal that says more about the moment than about the kernel.
_PASSING = frozenset(
    {errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.EIO}
)


def attempt(action: Callable[[], object]) -> Result:
    """Try something: yes if it returns, no if the kernel refuses it for good.

    EPERM is inconclusive while a capability is missing; with all of them held, the machine
    forbids it (lockdown, a security module), and that is a no.
    """
    try:
        action()
    except VerifierError as error:
        return Result(NO, str(error), error.errno)
    except PermissionDeniedError as error:
        from syscast.kernel.rights import missing_for  # noqa: PLC0415  # only when refused

        outcome = INCONCLUSIVE if missing_for(error.command) else NO
        return Result(outcome, str(error), error.errno)
    except NotSupportedError as error:
        return Result(NO, str(error), error.errno)
    except KernelError as error:
        outcome = INCONCLUSIVE if error.errno in _PASSING else NO
        return Result(outcome, str(error), error.errno)
    except OSError as error:
        return Result(INCONCLUSIVE, str(error), error.errno or 0)
    return Result(YES)
