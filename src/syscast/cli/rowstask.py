"""Rows of tables of tasks: tasks, their open files, their memory."""

# mypy: disallow-untyped-defs=False, disallow-untyped-calls=False
# A probe's parameters have the types that BTF gives them.
# ruff: noqa: ANN001, ANN202

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Annotated

from syscast.btf.layout import find_member
from syscast.btf.types import Struct
from syscast.events.event import Event
from syscast.events.fieldtypes import Comm, Pointer, u32, u64
from syscast.frontend.python.language import path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from syscast.btf.lookup import Btf

READ, WRITE, EXEC, MAY_SHARE = 1, 2, 4, 0x80
PAGE_SHIFT = 12
FREEZABLE = 0x2000
KEPT = 0xFFFF
PATH = 256


class TaskState(IntEnum):
    """The states of include/linux/sched.h, under the names that /proc/PID/status uses."""

    running = 0
    sleeping = 1
    disk_sleep = 2
    stopped = 4
    tracing_stop = 8
    dead = 16
    zombie = 32
    parked = 64
    killable = 0x102
    idle = 0x402


class Task(Event):
    """A thread.

    Attributes:
        pid: Process (the kernel's tgid).
        tid: Thread (the kernel's pid).
        ppid: The process that it is a child of.
        started: Boot clock in ns.
    """

    pid: u32
    tid: u32
    ppid: u32
    uid: u32
    state: Annotated[TaskState, u32]
    started: u64
    comm: Comm


class File(Event):
    """An open file of a process.

    Attributes:
        inode: Its number in its file system.
        flags: Of open(2).
        position: Where the next read or write begins.
    """

    pid: u32
    comm: Comm
    fd: u32
    inode: u64
    flags: u32
    position: u64
    path: Annotated[str, 256]


class Area(Event):
    """A range of a process' memory, as a line of /proc/PID/maps."""

    pid: u32
    comm: Comm
    start: Pointer
    end: Pointer
    perms: Annotated[str, 5]
    offset: u64
    path: Annotated[str, 256]


def _state_of(task, renamed):
    """The state under either of its names, since the member was renamed once (v5.14)."""
    if renamed:
        return task.__state  # noqa: SLF001  (a member of the kernel's struct)
    return task.state


def task_of(types: Btf) -> object:
    """The function for ``task(task)``."""
    task_struct = types.find("task_struct", Struct)
    renamed = task_struct is not None and find_member(types, task_struct, "__state") is not None

    def task(task):
        state = _state_of(task, renamed) & KEPT
        if state & FREEZABLE:
            state -= FREEZABLE
        ended = task.exit_state
        if ended != 0:
            state = ended & KEPT
        return Task(
            pid=task.tgid,
            tid=task.pid,
            ppid=task.real_parent.tgid,
            uid=task.real_cred.uid.val,
            state=state,
            started=task.start_boottime,
            comm=task.comm,
        )

    return task


def file_of(_types: Btf) -> object:
    """The function for ``task_file(task, fd, file)``."""

    def task_file(task, fd, file):
        return File(
            pid=task.tgid,
            comm=task.comm,
            fd=fd,
            inode=file.f_inode.i_ino,
            flags=file.f_flags,
            position=file.f_pos,
            path=path_of(file, PATH),
        )

    return task_file


def area_of(_types: Btf) -> object:
    """The function for ``task_vma(task, vma)``."""

    def task_vma(task, vma):
        flags = vma.vm_flags
        r = "r" if flags & READ else "-"
        w = "w" if flags & WRITE else "-"
        x = "x" if flags & EXEC else "-"
        s = "s" if flags & MAY_SHARE else "p"
        perms = f"{r}{w}{x}{s}"
        file = vma.vm_file
        if file is not None:
            return Area(
                pid=task.tgid,
                comm=task.comm,
                start=vma.vm_start,
                end=vma.vm_end,
                perms=perms,
                offset=vma.vm_pgoff << PAGE_SHIFT,
                path=path_of(file, PATH),
            )
        return Area(
            pid=task.tgid,
            comm=task.comm,
            start=vma.vm_start,
            end=vma.vm_end,
            perms=perms,
            offset=0,
            path="",
        )

    return task_vma


FUNCTIONS: dict[str, Callable[[Btf], object]] = {
    "task": task_of,
    "task_file": file_of,
    "task_vma": area_of,
}
EVENTS: dict[str, type[Event]] = {"task": Task, "task_file": File, "task_vma": Area}
