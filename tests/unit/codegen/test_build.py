"""Objects: what is in them, that equal input gives equal bytes, and that LLVM's end is an error."""

from __future__ import annotations

import os

import msgspec
import pytest
from sketch import SITE, SOURCE, Kernel, Sketch, golden, listen, program, raw, tracing

from syscast import codegen, passes
from syscast.codegen import child as child_module
from syscast.codegen.child import Child
from syscast.codegen.llvmtext import module_text
from syscast.errors import InternalError, NotSupportedError
from syscast.ir import ops
from syscast.ir.ops import BinaryOp
from syscast.ir.program import Function
from syscast.ir.types import I64, U32, U64, Const, PtrType, Space
from syscast.spec.meta import LEDGER
from syscast.spec.read import read_object


@pytest.fixture(scope="module")
def kernel():
    return Kernel()


@pytest.fixture(scope="module")
def child():
    with Child() as running:
        yield running


def built(made, kernel, child):
    return read_object(
        codegen.build(passes.run(made, kernel.btf), kernel.btf, child=child), "probe"
    )


def test_text(kernel):
    made = passes.run(listen(kernel, tracing()), kernel.btf)
    golden("codegen/listen.ll", module_text(made, kernel.btf, b"meta"))


def test_an_object_says_everything_of_itself(kernel, child):
    spec = built(listen(kernel, tracing(), filtered=True), kernel, child)
    assert spec.license == "GPL"
    (found,) = spec.programs
    assert (found.section, found.type, found.attach_type) == (
        "fentry/inet_listen",
        "tracing",
        "trace_fentry",
    )
    maps = {each.name: each for each in spec.maps}
    assert {
        *("events", "control", "ledger", "raised", "scratch", "followed", "cgroups", ".rodata"),
        "shards",
    } == set(maps)
    assert maps["ledger"].value_size == 8 * len(LEDGER)
    assert maps["events"].type == "ringbuf"
    assert spec.meta.sites == (SITE,)
    assert spec.meta.programs[0].target == "inet_listen"
    assert {field.name for field in spec.meta.config} == {
        *("flags", "pid", "tid", "uid", "netns", "comm", "delivery", "limit_ns", "limit_burst"),
    }


def test_members_are_relocated_by_name(kernel, child):
    spec = built(listen(kernel, tracing()), kernel, child)
    assert [each.kind for each in spec.programs[0].core_relos].count(0) == 2
    lines = {each.line for each in spec.programs[0].line_infos}
    assert {2, 3} <= lines
    assert SOURCE.splitlines()[1].strip().encode() in spec.btf


def test_equal_input_gives_equal_bytes(kernel, child):
    made = passes.run(listen(kernel, tracing(), filtered=True), kernel.btf)
    first = codegen.build(made, kernel.btf, child=child)
    assert first == codegen.build(made, kernel.btf)


def test_unnamed_structs_bind_the_object_to_its_kernel(kernel, child):
    from syscast.btf.types import Struct  # noqa: PLC0415

    unnamed = next(
        number
        for number in range(1, len(kernel.btf))
        if isinstance(found := kernel.btf.type(number), Struct)
        and not found.name
        and found.members[0].name == "rcv_saddr"
    )
    s = Sketch(kernel)
    place = s.op(ops.Helper, kernel.pointer(unnamed), name="get_current_task")
    s.read(place, "rcv_saddr", U32)
    s.finish()
    bound = program(s.function(raw()))
    spec = built(bound, kernel, child)
    assert [each for each in spec.programs[0].core_relos if each.kind == 0] == []
    assert "btf_identity" in msgspec.to_builtins(spec.meta)


def test_subprograms(kernel, child):
    s = Sketch(kernel)
    argument = s.register(I64)
    made = s.op(ops.Binary, I64, op=BinaryOp.MUL, a=argument, b=argument)
    s.op(ops.Return, value=made)
    square = Function("square", s.blocks(), (), parameters=(argument,), returns=I64)
    main = Sketch(kernel)
    value = main.op(ops.Call, I64, function="square", args=(main.argument(1, I64),))
    main.op(ops.Return, value=value)
    spec = built(program(main.function(raw()), square), kernel, child)
    assert [each.name for each in spec.programs] == ["probe"]


def too_deep(kernel):
    """More stack than BPF has: LLVM ends its process."""
    s = Sketch(kernel)
    address = s.op(ops.SlotAddr, PtrType(Space.STACK), slot=s.slot("huge", None, 600))
    for offset in range(0, 600, 8):
        s.op(ops.Store, ptr=address, value=Const(1, U64), offset=offset)
    size = Const(600, U64)
    s.op(ops.Helper, U64, name="trace_printk", args=(address, size, size, size, size))
    s.op(ops.Return)
    return program(s.function(raw()))


def test_llvms_end_is_an_error_with_its_last_words(kernel):
    with pytest.raises(InternalError, match=r"LLVM ended: .*stack"):
        codegen.build(too_deep(kernel), kernel.btf)


def test_text_that_llvm_refuses(child):
    with pytest.raises(InternalError, match="LLVM refused its input"):
        child.compile("this is no module", "v3")


def test_a_child_that_takes_too_long_is_ended(kernel, monkeypatch):
    monkeypatch.setattr(child_module, "TIMEOUT", 0.001)
    made = passes.run(listen(kernel, raw()), kernel.btf)
    with pytest.raises(InternalError, match="took too long"):
        codegen.build(made, kernel.btf)


def test_without_llvmlite_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setattr(child_module.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(NotSupportedError, match="pip install llvmlite"):
        Child()


def test_no_descriptor_is_left(kernel):
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    codegen.build(passes.run(listen(kernel, raw()), kernel.btf), kernel.btf)
    with pytest.raises(InternalError):
        codegen.build(too_deep(kernel), kernel.btf)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
