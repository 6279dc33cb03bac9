"""The text's own names win, in both name spaces; the kernel's are there only where nothing else is."""

from __future__ import annotations

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.c.compat import KernelFacts
from syscast.frontend.c.names import Entity, Enumerator, TypeName
from syscast.frontend.c.parse import parse
from syscast.frontend.c.preprocess import preprocess
from syscast.frontend.c.types import Enum, Int, Record, TypeProblem, find_member


class Variable(Entity):
    __slots__ = ()


@pytest.fixture
def text(declare, running_kernel):
    def make(source):
        return declare(source, running_kernel, KernelFacts(running_kernel, source))

    return make


def members(record):
    return [each.name for each in record.members]


def test_own_struct_stands_in_for_the_kernels_everywhere(text):
    names = text("struct mnt_namespace { int version; int inum; };").names
    own = names.tag("struct", "mnt_namespace")
    assert members(own) == ["version", "inum"]
    proxy = names.tag("struct", "nsproxy")
    behind = find_member(proxy, "mnt_ns").type.to
    assert members(behind) == ["version", "inum"]
    assert behind == own


def test_own_struct_stands_in_though_it_was_named_before(text):
    names = text(
        "int a[sizeof(((struct nsproxy *)0)->mnt_ns) + sizeof(struct mnt_namespace)];"
        "struct mnt_namespace { int version; };"
    ).names
    behind = find_member(names.tag("struct", "nsproxy"), "mnt_ns").type.to
    assert members(behind) == ["version"]


def test_size_of_what_contains_an_overridden_struct_is_the_kernels(text):
    before = text("").names.tag("struct", "mnt_namespace").size
    assert before > 4
    names = text("struct ns_common { int inum; };").names
    assert names.tag("struct", "mnt_namespace").size == before


def test_tags_do_not_leak_into_ordinary_names(text):
    """dcstat declares enum stats; the kernel has a struct stats, and enumerators of all sorts."""
    names = text("enum stats { S_REFS = 1, S_SLOW, S_MISS, S_MAXSTAT };").names
    assert isinstance(names.tag("enum", "stats"), Enum)
    assert names.lookup("S_MISS") == Enumerator(3, Int("int", 4, signed=True))
    assert names.lookup("stats") is None
    assert names.lookup("sock") is None


def test_own_enumerators_variables_and_typedefs_hide_the_kernels(text):
    names = text("enum bio_pattern { UNKNOWN, IPPROTO_TCP = 99 }; typedef char pid_t;").names
    assert names.lookup("UNKNOWN").value == 0
    assert names.lookup("IPPROTO_TCP").value == 99
    assert names.lookup("IPPROTO_UDP").value == 17
    assert names.typedef("pid_t").size == 1
    with names.scope():
        names.declare("IPPROTO_UDP", Variable())
        names.declare("u32", Variable())
        assert isinstance(names.lookup("IPPROTO_UDP"), Variable)
        assert names.typedef("u32") is None
    assert names.typedef("u32").size == 4


def test_scopes_end_and_functions_do_not_see_their_callers(text):
    names = text("").names
    outer, inner = Variable(), Variable()
    names.declare("x", outer)
    with names.scope():
        assert names.declare("x", inner) is None
        assert names.lookup("x") is inner
        with names.function():
            assert names.lookup("x") is outer
            names.new_record("struct", "local").body.define((), 0, 1)
        assert names.lookup("x") is inner
    assert names.lookup("x") is outer
    assert not names.tag("struct", "local").complete


def test_enumerators_of_the_kernel_are_found_when_asked_for(text):
    names = text("").names
    assert names.lookup("TCP_ESTABLISHED").value == 1
    assert names.lookup("REQ_OP_WRITE").value == 1
    assert names.lookup("AF_INET6").value == 10
    assert names.lookup("NO_SUCH_THING") is None


def test_names_every_kernel_has_exist_without_btf(declare):
    names = declare("").names
    for name, size in {
        "u8": 1,
        "__u32": 4,
        "s64": 8,
        "size_t": 8,
        "bool": 1,
        "pid_t": 4,
        "uintptr_t": 8,
    }.items():
        assert names.typedef(name).size == size
        assert names.typedef(name).spelling == name
        assert names.is_type(name)
    assert not names.is_type("start")


def test_members_and_parameters_may_be_called_like_typedefs_of_the_kernel(text):
    """BTF has typedefs named code and config."""
    made = text(
        "struct data_t { u32 code; int config, state; u8 u16; };"
        "int f(int code, u32 config); typedef struct data_t data_t; data_t *g(data_t code);"
    )
    assert members(made.names.tag("struct", "data_t")) == ["code", "config", "state", "u16"]
    assert [each.name for each in made.types["f"].parameters] == ["code", "config"]


def test_what_a_module_may_have_is_asked_only_when_it_matters(text, running_kernel):
    names = text("struct of_no_one *p;").names
    assert running_kernel.asked == []
    assert not names.tag("struct", "of_no_one").complete
    assert running_kernel.asked == [("of_no_one", "struct")]


def test_near_matches(text):
    names = text("struct my_event { int a; }; enum { MY_LIMIT }; typedef int my_type;").names
    assert names.near("MY_LIMITS")[0] == "MY_LIMIT"
    assert names.near("AF_INE")[0].startswith("AF_INE")
    assert "uint64_t" in names.near_type("uint46_t")
    assert names.near_type("u46")[0] in {"u64", "u16"}
    assert names.near_type("my_typ")[0] == "my_type"
    assert names.near_tag("struct", "my_events")[0] == "my_event"
    assert "task_struct" in names.near_tag("struct", "task_strut")


def test_typedefs_may_repeat_but_not_change(text):
    assert isinstance(text("typedef int t; typedef int t;").names.lookup("t"), TypeName)
    with pytest.raises(TypeProblem, match="'t' is declared again as another type"):
        text("typedef int t; typedef long t;")


def test_typedef_of_an_anonymous_struct_is_spelled_by_its_name(text):
    names = text("typedef struct { u64 ts; char comm[TASK_COMM_LEN]; } val_t;").names
    made = names.typedef("val_t")
    assert isinstance(made, Record)
    assert (made.spelling, made.size) == ("val_t", 24)


@pytest.mark.parametrize(
    "source", ["struct d { u46 ts; };", "u46 x;", "void f(void) { u46 a = 0; }"]
)
def test_a_wrong_type_name_is_told_with_near_ones(source, running_kernel, text):
    names = text("").names
    with pytest.raises(CompileError, match="unknown type name 'u46'") as caught:
        parse(preprocess(source, "m.c", running_kernel), names.is_type, names.near_type)
    assert "did you mean" in str(caught.value)


def test_a_struct_of_no_one_is_told_with_near_ones(text):
    record = text("").names.tag("struct", "task_strut")
    with pytest.raises(TypeProblem) as caught:
        record.size  # noqa: B018
    assert "'task_struct'" in caught.value.hint
