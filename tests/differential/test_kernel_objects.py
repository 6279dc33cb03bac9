"""Pointers, casts, enums and arrays on this process' own kernel objects, against what /proc and libc say."""

# ruff: noqa: ARG001 - all take the same words

from __future__ import annotations

import ctypes
import os
import resource
import socket
import struct
import threading
from enum import IntEnum
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from probing import I64, TEXT, USER, Probes, Raised

import syscast as sc
from syscast import cast, container_of, current, kernel_str, user_str

pytestmark = pytest.mark.kernel

PIDS = sc.enum("pid_type")
NOFILE = resource.RLIMIT_NOFILE


class Family(IntEnum):
    INET = 2


class Number(sc.Event):
    value: sc.i64


class Flag(sc.Event):
    value: bool


class Text(sc.Event):
    text: str


class Address(sc.Event):
    family: sc.u16
    port: sc.Port
    addr: sc.IPv4


def comm_equals(p, q, i):
    return Flag(value=current.task.comm == current.comm)


def comm_of_task(p, q, i):
    return Flag(value=current.task.comm == current.task.group_leader.comm)


def comm_part(p, q, i):
    return Text(text=current.task.comm[1:4])


def comm_length(p, q, i):
    return Number(value=len(current.task.comm))


def comm_starts(p, q, i):
    return Flag(value=current.task.comm.startswith(("pyt", "zz")) and bool(current.task.comm))


def around_tasks(p, q, i):
    return Flag(
        value=container_of(current.task.tasks, "struct task_struct", "tasks") == current.task
    )


def around_nested(p, q, i):
    return Number(
        value=container_of(current.task.se.run_node, "struct task_struct", "se.run_node").tgid
    )


def next_task(p, q, i):
    following = container_of(current.task.tasks.next, "struct task_struct", "tasks")
    return Flag(
        value=container_of(following.tasks.prev, "task_struct", "tasks").tgid == current.pid
    )


def flexible_array(p, q, i):
    return Number(value=current.task.thread_pid.numbers[0].nr)


def array_by_enum(p, q, i):
    return Number(value=current.task.signal.pids[PIDS.PIDTYPE_TGID].numbers[0].nr)


def limit(p, q, i):
    return Number(value=current.task.signal.rlim[NOFILE].rlim_cur)


def limit_at(p, q, i):
    return Number(value=current.task.signal.rlim[i].rlim_cur)


def last_limit(p, q, i):
    return Flag(
        value=current.task.signal.rlim[-1].rlim_cur == current.task.signal.rlim[15].rlim_cur
    )


def array_length(p, q, i):
    return Number(value=len(current.task.signal.rlim))


def uid(p, q, i):
    return Number(value=current.task.cred.uid.val)


def bits(p, q, i):
    return Number(value=current.task.sched_reset_on_fork + current.task.in_execve)


def chosen(p, q, i):
    task = current.task.real_parent if i else current.task
    return Number(value=task.tgid)


def first_that_is(p, q, i):
    mm = current.task.mm or current.task.active_mm
    return Flag(value=mm == current.task.active_mm)


def perhaps_null(p, q, i):
    task = current.task if i else None
    if not task:
        return None
    return Number(value=task.tgid)


def is_none(p, q, i):
    files = current.task.files
    return Flag(value=files is not None and files.fdt is not None and files.fdt.fd[i] != None)  # noqa: E711


def file_name(p, q, i):
    return Text(text=current.task.files.fdt.fd[i].f_path.dentry.d_name.name)


def file_name_ends(p, q, i):
    name = kernel_str(current.task.files.fdt.fd[i].f_path.dentry.d_name.name, 64)
    return Flag(value=name.endswith("null") or "ll" in name)


def socket_address(p, q, i):
    address = cast("struct sockaddr_in", p)
    return Address(family=address.sin_family, port=address.sin_port, addr=address.sin_addr.s_addr)


def is_inet(p, q, i):
    return Flag(value=cast("struct sockaddr_in", p).sin_family == Family.INET)


def words(p, q, i):
    return Number(value=cast("u32 *", p)[1] * 2 + cast("unsigned short *", p)[i])


def network_word(p, q, i):
    return Number(value=cast("__be32 *", p)[0])


def argument_vector(p, q, i):
    return Text(text=user_str(cast("u64 *", p)[i]))


def text_or_other(p, q, i):
    name = user_str(q, 32)
    return Text(text=name or "nothing")


def text_by_choice(p, q, i):
    name = "short"
    if i:
        name = user_str(q, 64)
    return Text(text=name)


def listening(p, q, i):
    return Flag(value=i == sc.enum("tcp_state").TCP_LISTEN)


def any_enum(p, q, i):
    return Number(value=sc.enum().BPF_MAP_TYPE_ARRAY)


FUNCTIONS = [
    value
    for value in list(globals().values())
    if getattr(value, "__module__", "") == __name__ and hasattr(value, "__code__")
]


@pytest.fixture(scope="module")
def probes():
    made = Probes(FUNCTIONS, [USER, TEXT, I64])
    yield made
    made.close()


@pytest.fixture
def run(probes):
    def call(function, p=None, q=b"", i=0):
        memory = [
            ctypes.create_string_buffer(each or b"", max(1, len(each or b"")) + 1)
            for each in (p, q)
        ]
        found = probes.run(FUNCTIONS.index(function), *(ctypes.addressof(m) for m in memory), i)
        if isinstance(found, Raised):
            return found.exception
        if isinstance(found, Number | Flag):
            return found.value
        return found.text if isinstance(found, Text) else found

    return call


def comm():
    return Path("/proc/thread-self/comm").read_text().rstrip("\n")


def test_text_of_a_task(run):
    name = comm()
    assert run(comm_equals) is True
    assert run(comm_of_task) is (threading.get_native_id() == os.getpid())
    assert run(comm_part) == name[1:4]
    assert run(comm_length) == len(name)
    assert run(comm_starts) is name.startswith(("pyt", "zz"))


def test_the_struct_around_a_member(run):
    assert run(around_tasks) is True
    assert run(around_nested) == os.getpid()
    assert run(next_task) is True


def test_arrays(run):
    assert run(flexible_array) == threading.get_native_id()
    assert run(array_by_enum) == os.getpid()
    assert run(limit) == resource.getrlimit(NOFILE)[0]
    assert run(limit_at, i=NOFILE) == run(limit)
    assert run(limit_at, i=NOFILE - 16) == run(limit)
    assert run(limit_at, i=16) == "IndexError"
    assert run(limit_at, i=-17) == "IndexError"
    assert run(last_limit) is True
    assert run(array_length) == 16


def test_members(run):
    assert run(uid) == os.getuid()
    assert run(bits) == 0


def test_pointers_as_values(run):
    assert run(chosen, i=0) == os.getpid()
    assert run(chosen, i=1) == os.getppid()
    assert run(first_that_is) is True
    assert run(perhaps_null, i=0) is None
    assert run(perhaps_null, i=1) == os.getpid()


def test_files(run):
    with Path("/dev/null").open() as file:
        assert run(is_none, i=file.fileno()) is True
        assert run(file_name, i=file.fileno()) == "null"
        assert run(file_name_ends, i=file.fileno()) is True
    assert run(is_none, i=60) is False
    assert run(file_name, i=60) == "MemoryError"


def test_structs_in_user_memory(run):
    raw = struct.pack("=H", 2) + struct.pack("!H", 8080) + socket.inet_aton("10.1.2.3") + bytes(8)
    wanted = Address(family=2, port=8080, addr=IPv4Address("10.1.2.3"))
    assert run(socket_address, p=raw) == wanted
    assert run(is_inet, p=raw) is True
    assert run(words, p=struct.pack("=IIHH", 7, 1000, 5, 6), i=5) == 2006
    assert run(network_word, p=socket.inet_aton("1.2.3.4")) == 0x01020304


def test_pointers_to_pointers_in_user_memory(run):
    text = ctypes.create_string_buffer(b"second")
    vector = struct.pack("=QQQ", 0, ctypes.addressof(text), 0)
    assert run(argument_vector, p=vector, i=1) == "second"
    assert run(argument_vector, p=vector, i=0) == "MemoryError"


def test_text_from_several_places(run):
    assert run(text_or_other, q=b"") == "nothing"
    assert run(text_or_other, q=b"a longer text") == "a longer text"
    assert run(text_by_choice, i=0) == "short"
    assert run(text_by_choice, q=b"a much longer text", i=1) == "a much longer text"


def test_enumerators(run):
    assert run(listening, i=10) is True
    assert run(listening, i=1) is False
    assert run(any_enum) == 2


def test_enumerators_in_plain_python():
    assert int(sc.enum("tcp_state").TCP_LISTEN) == 10
    assert PIDS.PIDTYPE_TGID == 1
    assert PIDS.PIDTYPE_TGID.name == "PIDTYPE_TGID"
    with pytest.raises(AttributeError, match="no enumerator 'PIDTYPE_NONE'"):
        _ = PIDS.PIDTYPE_NONE
