"""What ``attach`` filters by, inside the kernel, and how it is told to the programs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from syscast.errors import UsageError
from syscast.probes.kind import Whom
from syscast.spec.meta import (
    FILTER_CGROUP,
    FILTER_COMM,
    FILTER_FOLLOW,
    FILTER_NETNS,
    FILTER_PID,
    FILTER_TID,
    FILTER_UID,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMM_SIZE = 16
_U32_END = 1 << 32


class Filters(msgspec.Struct, frozen=True):
    """Which tasks a probe reports; what is None is not asked. All that is given must hold.

    Attributes:
        pid: Process (thread group) id.
        tid: Thread id.
        comm: Command name, at most 15 bytes.
        uid: Real user id in the initial user namespace.
        cgroup: Path of a cgroup v2 directory; tasks in it and below it pass.
        netns: Inode number of the task's network namespace, or a path such as
            ``/run/netns/NAME`` or ``/proc/PID/ns/net``.
        follow: With ``pid``: the process and every descendant born from then on.
    """

    pid: int | None = None
    tid: int | None = None
    comm: str | None = None
    uid: int | None = None
    cgroup: str | None = None
    netns: int | str | None = None
    follow: bool = False

    def __post_init__(self) -> None:
        for name in ("pid", "tid", "uid"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < _U32_END:
                raise UsageError(f"filter '{name}': set: {value} is not an unsigned 32-bit number")
        if self.comm is not None and not 0 < len(_comm(self.comm)) < _COMM_SIZE:
            raise UsageError(
                f"filter 'comm': set: '{self.comm}' can never match "
                f"(the kernel keeps 1 to {_COMM_SIZE - 1} bytes)"
            )
        if self.follow and self.pid is None:
            raise UsageError("filter 'follow': set: no pid is given (follow what?)")

    def given(self) -> list[str]:
        """The names of the filters that are on."""
        fields = self.__struct_fields__
        return [name for name in fields if getattr(self, name) not in {None, False}]

    @property
    def whom(self) -> Whom:
        """The process whose files targets in user space mean."""
        return Whom(self.pid or self.tid or 0, only=self.pid is not None and not self.follow)

    def config(self) -> Mapping[str, int | bytes]:
        """The values of the config fields (see `syscast.spec.meta`).

        Raises:
            UsageError: ``netns`` names no network namespace.
        """
        values: dict[str, int | bytes] = {}
        flags = 0
        if self.follow:
            flags |= FILTER_FOLLOW
        elif self.pid is not None:
            flags |= FILTER_PID
            values["pid"] = self.pid
        for name, flag in (("tid", FILTER_TID), ("uid", FILTER_UID)):
            value: int | None = getattr(self, name)
            if value is not None:
                flags |= flag
                values[name] = value
        if self.comm is not None:
            flags |= FILTER_COMM
            values["comm"] = _comm(self.comm).ljust(_COMM_SIZE, b"\0")
        if self.netns is not None:
            flags |= FILTER_NETNS
            values["netns"] = netns_inode(self.netns)
        if self.cgroup is not None:
            flags |= FILTER_CGROUP
        values["flags"] = flags
        return values


def _comm(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def netns_inode(where: int | str) -> int:
    """The inode number of a network namespace, given by that, by a name of ip-netns, or by a path.

    Raises:
        UsageError: There is no such namespace.
    """
    if isinstance(where, int):
        return where
    if where.isdigit():
        return int(where)
    path = where if "/" in where else f"/run/netns/{where}"
    try:
        return os.stat(path).st_ino  # noqa: PTH116  (pathlib costs a start 5 ms)
    except OSError as error:
        cause = os.strerror(error.errno or 0).lower()
        raise UsageError(
            f"filter 'netns': look up {path}: {cause} (give an inode number, a name of ip-netns, or a path)"
        ) from None
