"""Questions about a kernel that is made up, so that every answer is known."""

from __future__ import annotations

import struct
from pathlib import Path

import msgspec
import pytest

from syscast.asm import build, decode, encode
from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    Enum,
    EnumValue,
    Func,
    FuncProto,
    Int,
    Member,
    Ptr,
    Struct,
    Typedef,
    Var,
)
from syscast.errors import TargetError
from syscast.loader.resolve import Resolved, Resolver, describe
from syscast.spec import ExternRef, ObjectSpec, ProgramSpec
from syscast.spec.read import read_object

OBJECTS = Path(__file__).parents[2] / "data/objects"
PSEUDO_BTF_ID, PSEUDO_KFUNC_CALL = 3, 2


def types(*, base: Btf | None = None, name: str = "vmlinux") -> Btf:
    made = BtfBuilder(base=base)
    integer = made.add(Int("int", 4, 1, 32))
    proto = made.add(FuncProto(0, ()))
    prefix = "" if base is None else "mod_"
    for function in ("inet_listen", "bpf_iter_task", "bpf_lsm_file_open", "bpf_task_acquire"):
        made.add(Func(prefix + function, proto, 1))
    made.add(Typedef(f"btf_trace_{prefix}sys_enter", proto))
    made.add(Var(prefix + "runqueues", integer, 1))
    if base is None:
        task = made.reserve()
        pointer = made.add(Ptr(task))
        members = (
            Member("state", integer, 0),
            Member("tgid", integer, 320),
            Member("real_parent", pointer, 640),
        )
        made.define(task, Struct("task_struct", 96, members))
        values = (EnumValue("BPF_FUNC_unspec", 0), EnumValue("BPF_FUNC_ringbuf_reserve", 131))
        made.add(Enum("bpf_func_id", 4, values))
    return Btf.from_bytes(made.encode(), base=base, name=name)


@pytest.fixture(scope="module")
def kernel() -> Btf:
    return types()


def resolver(kernel: Btf, spec: ObjectSpec | None = None, **keywords: bool) -> Resolver:
    empty = ObjectSpec("x", "GPL", (), ())
    return Resolver(spec or empty, kernel, **{"modules": False, **keywords})


def tracing(attach_type: str, target: str, type_: str = "tracing") -> ProgramSpec:
    return ProgramSpec("p", f"s/{target}", type_, attach_type, target, b"")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        (tracing("trace_fentry", "inet_listen"), "inet_listen"),
        (tracing("trace_raw_tp", "sys_enter"), "btf_trace_sys_enter"),
        (tracing("trace_iter", "task"), "bpf_iter_task"),
        (tracing("lsm_mac", "file_open", "lsm"), "bpf_lsm_file_open"),
        (tracing("trace_fexit", "vmlinux:inet_listen"), "inet_listen"),
    ],
    ids=["fentry", "tp_btf", "iter", "lsm", "qualified"],
)
def test_attach_ids(kernel, program, name):
    found = resolver(kernel).program(program)
    assert kernel.type(found.attach_btf_id).name == name
    assert found.attach_module == ""


def test_other_types_need_no_id(kernel):
    program = tracing("", "no_such_function", "kprobe")
    assert resolver(kernel).program(program) == Resolved(b"")


def test_a_missing_target(kernel):
    with pytest.raises(TargetError) as caught:
        resolver(kernel).program(tracing("trace_raw_tp", "sys_entre"))
    assert str(caught.value) == (
        "program 'p': load: there is no tracepoint 'sys_entre' in the BTF of this kernel "
        "(did you mean sys_enter?)"
    )


def test_modules(kernel, monkeypatch):
    module = types(base=kernel, name="mod")
    monkeypatch.setattr("syscast.btf.source.modules", lambda: ["mod"])
    monkeypatch.setattr("syscast.btf.source.module", {"mod": module}.__getitem__)
    made = resolver(kernel, modules=True)
    own = made.program(tracing("trace_fentry", "inet_listen"))
    assert (own.attach_module, made.used_modules) == ("", False)
    found = made.program(tracing("trace_fentry", "mod_inet_listen"))
    assert module.type(found.attach_btf_id).name == "mod_inet_listen"
    assert (found.attach_module, made.used_modules) == ("mod", True)
    named = made.program(tracing("trace_fentry", "mod:mod_inet_listen"))
    assert named.attach_module == "mod"
    with pytest.raises(TargetError, match="no function 'inet_listenn' in the BTF of module 'mod'"):
        made.program(tracing("trace_fentry", "mod:inet_listenn"))


def externs(kernel: Btf, *refs: ExternRef, modules: bool = False):
    code = encode(
        [build.load_imm64(1, 0), build.load_imm64(2, 0), build.call_local(-1), build.exit_()]
    )
    program = ProgramSpec("p", "raw_tp/x", "raw_tracepoint", "", "x", code, externs=refs)
    found = resolver(kernel, modules=modules).program(program)
    return found, list(decode(found.insns))


def test_kernel_functions_and_variables(kernel):
    found, insns = externs(
        kernel,
        ExternRef(0, "runqueues", "typed"),
        ExternRef(2, "bpf_task_acquire", "typed"),
        ExternRef(4, "bpf_task_acquire", "kfunc"),
    )
    function = kernel.find("bpf_task_acquire", Func)
    assert (insns[0].src, insns[0].imm) == (PSEUDO_BTF_ID, kernel.find("runqueues", Var))
    assert (insns[1].src, insns[1].imm) == (PSEUDO_BTF_ID, function)
    assert (insns[2].src, insns[2].off, insns[2].imm) == (PSEUDO_KFUNC_CALL, 0, function)
    assert found.kfunc_modules == ()


def test_functions_and_variables_of_modules(kernel, monkeypatch):
    module = types(base=kernel, name="mod")
    monkeypatch.setattr("syscast.btf.source.modules", lambda: ["mod"])
    monkeypatch.setattr("syscast.btf.source.module", {"mod": module}.__getitem__)
    found, insns = externs(
        kernel,
        ExternRef(0, "mod_runqueues", "typed"),
        ExternRef(4, "mod_bpf_task_acquire", "kfunc"),
        modules=True,
    )
    assert insns[0].imm == module.find("mod_runqueues", Var)
    assert (insns[2].off, insns[2].imm) == (1, module.find("mod_bpf_task_acquire", Func))
    assert found.kfunc_modules == ("mod",)
    assert found.symbol_modules == ((0, "mod"),)


def test_weak_externs_that_are_missing(kernel):
    _, insns = externs(
        kernel,
        ExternRef(0, "nothing", "typed", weak=True),
        ExternRef(4, "nothing", "kfunc", weak=True),
    )
    assert (insns[0].src, insns[0].imm) == (0, 0)
    # A helper that no kernel has: refused only where the program would really call it.
    assert (insns[2].src, insns[2].imm) == (0, 2002000000)


@pytest.mark.parametrize("kind", ["typed", "kfunc"])
def test_externs_that_are_missing(kernel, kind):
    with pytest.raises(
        TargetError, match="symbol 'bpf_task_acquired': link: it is not in the BTF"
    ):
        externs(kernel, ExternRef(0 if kind == "typed" else 4, "bpf_task_acquired", kind))


def test_relocations_move_offsets(kernel):
    spec = read_object((OBJECTS / "sample.bpf.o").read_bytes(), "sample")
    enter = spec.programs[0]
    found = resolver(kernel, spec).program(msgspec.structs.replace(enter, externs=()))
    immediates = [
        struct.unpack_from("<i", found.insns, relo.insn * 8 + 4)[0] for relo in enter.core_relos
    ]
    assert immediates == [80, 40]


@pytest.mark.parametrize("ringbuf", [True, False])
def test_the_loader_decides_about_the_ring_buffer(kernel, ringbuf):
    spec = read_object((OBJECTS / "flows.bpf.o").read_bytes(), "flows")
    emit = next(each for each in spec.programs if each.name == "emit")
    (relo,) = emit.core_relos
    assert describe(spec, relo).endswith("BPF_FUNC_ringbuf_reserve___old")
    found = resolver(kernel, spec, ringbuf=ringbuf).program(emit)
    assert found.insns[relo.insn * 8 + 4] == int(ringbuf)
    assert resolver(kernel, spec).program(emit).insns[relo.insn * 8 + 4] == 1
