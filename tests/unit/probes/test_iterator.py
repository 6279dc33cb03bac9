"""The kind ``iter`` on made-up BTF: tables are found by their function and their context, not by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import INT_SIGNED, Func, FuncProto, Int, Member, Param, Ptr, Struct
from syscast.errors import NotSupportedError, TargetError, UsageError
from syscast.probes import iterator
from syscast.session.scope import Narrowing, Scope

ITER = iterator.ITER


@pytest.fixture(scope="module")
def kernel():
    """Two tables, a function that is none (no context) and a context that is none (no function)."""
    made = BtfBuilder()
    number = made.add(Int("int", 4, INT_SIGNED, 32))
    meta = made.add(Ptr(made.add(Struct("bpf_iter_meta", 8, (Member("seq", number, 0),)))))
    thing = made.add(Struct("thing", 8, (Member("a", number, 0), Member("b", number, 32))))
    task = made.add(Struct("task_struct", 4, (Member("pid", number, 0),)))
    sock = made.add(Struct("sock_common", 4, (Member("skc_num", number, 0),)))
    pointers = SimpleNamespace(
        thing=made.add(Ptr(thing)),
        task=made.add(Ptr(task)),
        sock=made.add(Ptr(sock)),
        void=made.add(Ptr(0)),
    )

    def table(name, *params, context=True):
        proto = FuncProto(number, (Param("meta", meta), *(Param(n, t) for n, t in params)))
        made.add(Func(f"bpf_iter_{name}", made.add(proto)))
        if context:
            made.add(Struct(f"bpf_iter__{name}", 8, (Member("meta", meta, 0),)))

    table("thing", ("thing", pointers.thing), ("fd", number), ("value", pointers.void))
    table("task_thing", ("task", pointers.task), ("thing", pointers.thing))
    table("wire", ("sk_common", pointers.sock))
    table("run_prog", ("thing", pointers.thing), context=False)
    made.add(Struct("bpf_iter__ghost", 8, (Member("meta", meta, 0),)))
    return Btf.from_bytes(made.encode(), name="vmlinux")


def test_tables_are_those_with_a_function_and_a_context(kernel):
    assert list(iterator.names(kernel)) == ["task_thing", "thing", "wire"]


def test_the_element_is_the_argument_and_meta_is_not_shown(kernel):
    target = ITER.resolve("thing", kernel)
    assert target.signature == "thing(struct thing *thing, int fd, void *value)"
    assert iterator.row_of(target) == "struct thing *thing, int fd, void *value"
    assert iterator.object_of(target, kernel) == "thing"
    assert [(each.name, each.offset) for each in target.arguments] == [
        ("thing", 8),
        ("fd", 16),
        ("value", 24),
    ]


def test_a_run_with_a_null_pointer_never_happened(kernel):
    (context,) = ITER.contexts(ITER.resolve("thing", kernel), role="probe")
    assert (context.section, context.attach_type) == ("iter/thing", "trace_iter")
    assert [(each.source.name, each.others, each.absent) for each in context.guards] == [
        ("thing", (0,), True),
        ("value", (0,), True),
    ]


@pytest.mark.parametrize("name", ["run_prog", "ghost", "meta"])
def test_what_is_no_table(kernel, name):
    with pytest.raises(TargetError, match="no such table"):
        ITER.resolve(name, kernel)


def test_near_matches(kernel):
    with pytest.raises(TargetError) as caught:
        ITER.resolve("thng", kernel)
    assert "thing" in caught.value.near


def test_a_kernel_without_tables():
    with pytest.raises(NotSupportedError, match="no BPF iterators"):
        ITER.resolve("tcp", Btf.from_bytes(BtfBuilder().encode(), name="vmlinux"))


def test_a_row_is_no_call(kernel):
    with pytest.raises(TargetError, match="rows, not calls"):
        ITER.contexts(ITER.resolve("thing", kernel), role="call")


def test_where_the_kernel_cannot_choose_a_task_the_program_does(kernel):
    with Narrowing(ITER.resolve("task_thing", kernel), kernel, Scope(pid=7, tid=8)) as narrowing:
        assert (narrowing.info, narrowing.pid, narrowing.tid) == (b"", 7, 8)


@pytest.mark.parametrize(
    ("table", "scope", "what"),
    [
        ("thing", Scope(pid=1), "'pid'"),
        ("wire", Scope(tid=1), "'tid'"),
        ("task_thing", Scope(netns="/proc/self/ns/net"), "'netns'"),
        ("thing", Scope(map=1), "'map'"),
        ("wire", Scope(cgroup="/"), "'cgroup'"),
        ("wire", Scope(netns="nowhere"), "open /run/netns/nowhere: no such file"),
    ],
)
def test_what_a_table_cannot_be_narrowed_down_to(kernel, table, scope, what):
    with pytest.raises(UsageError, match=what):
        Narrowing(ITER.resolve(table, kernel), kernel, scope)


@pytest.mark.parametrize("number", [0, -1, 1 << 32])
def test_what_is_no_id(number):
    with pytest.raises(UsageError, match="is no id"):
        Scope(pid=number)
