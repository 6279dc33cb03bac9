"""Which part of a table an iterator walks through, and how the kernel is told."""

from __future__ import annotations

import contextlib
import os
from struct import pack
from typing import TYPE_CHECKING

import msgspec

from syscast.btf.layout import find_member
from syscast.btf.types import Enum, Ptr, Struct
from syscast.errors import UsageError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.kernel.descriptors import Fd
    from syscast.probes.kind import Target

_U32_END = 1 << 32
_INFO = "bpf_iter_link_info"
_ORDERS = "bpf_cgroup_iter_order"
_ORDER_PREFIX = "BPF_CGROUP_ITER_"


class Scope(msgspec.Struct, frozen=True):
    """Which part of a table; what is None is not asked.

    Attributes:
        pid: Process id, for tables of tasks: all its threads.
        tid: Thread id, for tables of tasks.
        netns: Network namespace, for tables of the network: a path, a name of ip-netns, or an
            inode number. Such a table is always that of one namespace, by default this thread's.
        cgroup: Path of a cgroup v2 directory, for the table ``cgroup``: it and what is below.
        order: For the table ``cgroup``: ``descendants_pre`` (the default), ``descendants_post``,
            ``ancestors_up`` or ``self_only``.
        map: Id of a map, for tables of a map's elements.
    """

    pid: int | None = None
    tid: int | None = None
    netns: int | str | None = None
    cgroup: str | None = None
    order: str | None = None
    map: int | None = None

    def __post_init__(self) -> None:
        for name in ("pid", "tid", "map"):
            value = getattr(self, name)
            if value is not None and not 0 < value < _U32_END:
                raise UsageError(f"option '{name}': set: {value} is no id (1 to {_U32_END - 1})")


EVERYTHING = Scope()


class Narrowing(contextlib.ExitStack):
    """How the kernel is told of a scope; closes what had to be opened for that.

    Attributes:
        info: ``union bpf_iter_link_info``.
        pid: To be filtered by the program itself, where the kernel cannot; None where it can.
        tid: As ``pid``.
        network: The network namespace to open the file in, or None.
        cgroup: The directory that a walk down begins at; None for any other walk.
        parents_first: Whether such a walk gives a directory before those below it.
    """

    def __init__(self, target: Target, types: Btf, scope: Scope) -> None:
        super().__init__()
        self.info: bytes = b""
        self.pid: int | None = None
        self.tid: int | None = None
        self.network: Fd | None = None
        self.cgroup: str | None = None
        self.parents_first: bool = True
        try:
            self._read(target, types, scope)
        except BaseException:
            self.close()
            raise

    def _read(self, target: Target, types: Btf, scope: Scope) -> None:
        subject = f"iterator '{target.name}'"
        pointees = _pointees(target, types)
        of_map = "bpf_map" in pointees and len(target.arguments) > 1
        allowed = {
            "pid": "task_struct" in pointees,
            "tid": "task_struct" in pointees,
            "netns": not of_map and any(_is_network(each) for each in pointees),
            "cgroup": "cgroup" in pointees,
            "order": "cgroup" in pointees,
            "map": of_map,
        }
        for name, fits in allowed.items():
            if getattr(scope, name) is not None and not fits:
                raise UsageError(f"{subject}: open: it is no table to choose from by '{name}'")
        if scope.pid is not None or scope.tid is not None:
            self._task(types, scope)
        if of_map:
            self._map(subject, scope.map)
        if "cgroup" in pointees:
            self._cgroup(subject, types, scope)
        if scope.netns is not None:
            self.network = self.enter_context(_network(scope.netns))

    def _task(self, types: Btf, scope: Scope) -> None:
        info = types.find(_INFO, Struct)
        if info is None or find_member(types, info, "task") is None:
            self.pid, self.tid = scope.pid, scope.tid
            return
        if scope.pid is not None and scope.tid is not None:
            self.pid = scope.pid  # the kernel takes one of the two
            self.info = pack("<III", scope.tid, 0, 0)
            return
        self.info = pack("<III", scope.tid or 0, scope.pid or 0, 0)

    def _map(self, subject: str, number: int | None) -> None:
        if number is None:
            raise UsageError(
                f"{subject}: open: it has the elements of one map (give the map's id)"
            )
        from syscast.kernel.bpfinfo import by_id  # noqa: PLC0415  (elements of maps only)

        held = self.enter_context(by_id("map", number))
        self.info = pack("<I", held.fileno())

    def _cgroup(self, subject: str, types: Btf, scope: Scope) -> None:
        orders = _orders(types)
        if not orders:
            return
        wanted = scope.order or "descendants_pre"
        if wanted not in orders:
            raise UsageError(
                f"{subject}: open: '{wanted}' is no order (there are: {', '.join(orders)})"
            )
        self.parents_first = wanted != "descendants_post"
        if wanted.startswith("descendants"):
            from syscast.kernel.host import mounts  # noqa: PLC0415  (cgroups only)

            self.cgroup = scope.cgroup or next(mounts("cgroup2"), None)
        number = 0
        if scope.cgroup is not None:
            number = self.enter_context(_directory(subject, scope.cgroup)).fileno()
        self.info = pack("<IIQ", orders[wanted], number, 0)


def _pointees(target: Target, types: Btf) -> list[str]:
    """The names of the structs that the arguments point to."""
    found = []
    for each in target.arguments:
        pointer = types.type(types.resolve(each.type_id))
        if isinstance(pointer, Ptr):
            found.append(str(getattr(types.type(types.resolve(pointer.type_id)), "name", "")))
    return found


def _is_network(struct: str) -> bool:
    """Whether a table of such structs is that of the namespace in which its file was opened.

    BTF does not tell: these have ``bpf_iter_init_seq_net`` in the kernel.
    """
    return struct.endswith(("sock", "sock_common")) or struct == "fib6_info"


def _orders(types: Btf) -> dict[str, int]:
    """The kernel's orders of a walk through cgroups, but for the unspecified."""
    type_id = types.find(_ORDERS, Enum)
    found = types.type(type_id) if type_id else None
    values = found.values if isinstance(found, Enum) else ()
    return {
        each.name.removeprefix(_ORDER_PREFIX).lower(): each.value for each in values if each.value
    }


def _network(where: int | str) -> Fd:
    from syscast.kernel.descriptors import Fd  # noqa: PLC0415  (only with this option)

    path = _network_path(where)
    try:
        return Fd.open(path)
    except OSError as error:
        raise UsageError(
            f"option 'netns': open {path}: {_cause(error)} "
            "(give an inode number, a name of ip-netns, or a path)"
        ) from None


def _network_path(where: int | str) -> str:
    text = str(where)
    if not text.isdigit():
        return text if "/" in text else f"/run/netns/{text}"
    for directory, pattern in (("/proc", "/proc/{}/ns/net"), ("/run/netns", "/run/netns/{}")):
        with contextlib.suppress(OSError):
            for name in os.listdir(directory):  # noqa: PTH208  (pathlib costs a start 5 ms)
                path = pattern.format(name)
                with contextlib.suppress(OSError):
                    if os.stat(path).st_ino == int(text):  # noqa: PTH116
                        return path
    raise UsageError(
        f"option 'netns': look up: no process that can be seen is in network namespace {text}"
    )


def _directory(subject: str, path: str) -> Fd:
    from syscast.kernel.descriptors import Fd  # noqa: PLC0415  (only with this option)

    try:
        return Fd.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(
            f"{subject}: open cgroup {path}: {_cause(error)} (give the path of a cgroup v2 directory)"
        ) from None


def _cause(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()
