"""The companion programs are well-formed IR that does what the map ``followed`` needs."""

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.errors import TargetError
from syscast.ir.check import check
from syscast.ir.ops import FieldLoad, Helper, MapAddr
from syscast.ir.program import Program
from syscast.probes import follow


@pytest.fixture
def functions(btf):
    return {function.name: function for function in follow.companions(btf)}


def ops(function, sort):
    return [op for block in function.blocks for op in block.ops if isinstance(op, sort)]


def test_the_checker_accepts_them(functions):
    check(Program("follow", tuple(functions.values())))


def test_fork_looks_the_parent_up_and_adds_the_child(functions):
    fork = functions["follow_fork"]
    assert fork.context.target == "sched_process_fork"
    assert [op.name for op in ops(fork, Helper)] == ["map_lookup_elem", "map_update_elem"]
    assert [op.field.name for op in ops(fork, FieldLoad)] == ["tgid", "tgid"]


def test_free_removes_processes_not_threads(functions):
    free = functions["follow_free"]
    assert free.context.target == "sched_process_free"
    assert [op.name for op in ops(free, Helper)] == ["map_delete_elem"]
    assert [op.field.name for op in ops(free, FieldLoad)] == ["pid", "tgid", "tgid"]


def test_they_are_no_probes_of_the_user(functions):
    for function in functions.values():
        assert function.role == "follow"
        assert not function.filtered
        assert {op.map for op in ops(function, MapAddr)} == {"followed"}


def test_a_kernel_without_the_tracepoint():
    empty = Btf.from_bytes(BtfBuilder().encode(), name="vmlinux")
    with pytest.raises(TargetError, match="sched_process_fork"):
        follow.companions(empty)
