"""Verifier logs of several kernels, and the one line that matters."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from syscast.errors import VerifierError
from syscast.loader.verifier import explain, locate, read_log
from syscast.spec import CoreRelo, ObjectSpec, ProgramSpec
from syscast.spec.meta import ObjectMeta, ProgramMeta
from syscast.spec.read import read_object

OBJECTS = Path(__file__).parents[2] / "data/objects"
END = "processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"

NULL_IN_6_18 = """\
arg#0 reference type('UNKNOWN ') size cannot be determined: -22
0: R1=ctx() R10=fp0
; __u32 key = 0; @ refused.bpf.c:24
0: (b7) r1 = 0                        ; R1=0
1: (63) *(u32 *)(r10 -4) = r1         ; R1=0 R10=fp0 fp-8=0000????
6: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=numbers,ks=4,vs=8)
; return *value; @ refused.bpf.c:27
7: (79) r0 = *(u64 *)(r0 +0)
R0 invalid mem access 'map_value_or_null'
"""

NULL_IN_5_10 = """\
func#0 @0
0: R1=ctx(id=0,off=0,imm=0) R10=fp0
; __u32 key = 0;
0: (b7) r1 = 0
1: R1_w=inv0 R10=fp0
; return *value;
7: (79) r0 = *(u64 *)(r0 +0)
 R0=map_value_or_null(id=1,off=0,ks=4,vs=8,imm=0) R10=fp0 fp-8=mmmm????
R0 invalid mem access 'map_value_or_null'
verification time 41 usec
stack depth 8
"""

RESERVED_IN_6_18 = """\
4: (85) call bpf_ringbuf_reserve#131          ; R0=ringbuf_mem_or_null(id=2,ref_obj_id=2,sz=4) refs=2
5: (bf) r6 = r0                       ; R0=ringbuf_mem_or_null(id=2) R6=ringbuf_mem_or_null(id=2) refs=2
6: (55) if r6 != 0x0 goto pc+11       ; R6=0
18: (b4) w1 = 1                       ; R1=1
19: (63) *(u32 *)(r6 +0) = r1
R6 invalid mem access 'scalar'
"""

RESERVED_IN_5_10 = """\
6: (55) if r6 != 0x0 goto pc+11
 R0_w=inv0 R6_w=inv0 R10=fp0
18: (b4) w1 = 1
19: (63) *(u32 *)(r6 +0) = r1
R6 invalid mem access 'inv'
"""

A_COPY_WAS_TESTED = """\
5: (bf) r7 = r0                       ; R7=ringbuf_mem_or_null(id=2,ref_obj_id=2,sz=20) refs=2
6: (bf) r6 = r7                       ; R6=ringbuf_mem_or_null(id=2) R7=ringbuf_mem_or_null(id=2) refs=2
7: (55) if r7 != 0x0 goto pc+11       ; R7=0
20: (63) *(u32 *)(r6 +0) = r1
R6 invalid mem access 'scalar'
"""

WRITTEN_SINCE = """\
6: (55) if r6 != 0x0 goto pc+11
 R0_w=inv0 R6_w=inv0 R10=fp0
18: (79) r6 = *(u64 *)(r10 -8)
19: (63) *(u32 *)(r6 +0) = r1
R6 invalid mem access 'inv'
"""

ANOTHER_IS_ZERO = """\
3: (b7) r1 = 0                        ; R1=0
4: (79) r6 = *(u64 *)(r7 +0)          ; R6=scalar() R7=ctx()
5: (63) *(u32 *)(r6 +0) = r1
R6 invalid mem access 'scalar'
"""

TWO_LINES = """\
8: (79) r6 = *(u64 *)(r0 +24)
invalid access to map value, value_size=8 off=24 size=8
R0 min value is outside of the allowed memory range
"""

CASES = [
    (NULL_IN_6_18, 7, "it uses a pointer that may be NULL"),
    (NULL_IN_5_10, 7, "it uses a pointer that may be NULL"),
    (RESERVED_IN_6_18, 19, "it uses a pointer that may be NULL"),
    (RESERVED_IN_5_10, 19, "it uses a pointer that may be NULL"),
    (A_COPY_WAS_TESTED, 20, "it uses a pointer that may be NULL"),
    (WRITTEN_SINCE, 19, "not know to be a pointer"),
    (ANOTHER_IS_ZERO, 5, "not know to be a pointer"),
    (TWO_LINES, 8, "it accesses 8 bytes at offset 24 of a map value of 8 bytes"),
    ("1: (61) r0 = *(u32 *)(r0 +0)\nR0 invalid mem access 'inv'\n", 1, "not know to be a pointer"),
    ("1: (61) r0 = *(u32 *)(r0 +0)\nR0 invalid mem access 'scalar'\n", 1, "not know to be a"),
    ("1: (85) call unknown#195896080\ninvalid func unknown#195896080\n", 1, "does not have"),
    ("1: (85) call unknown#2002000001\ninvalid func unknown#2002000001\n", 1, "kernel function"),
    ("3: (85) call bpf_loop#181\nunknown func bpf_loop#181\n", 3, "helper bpf_loop is not known"),
    ("3: (85) call unknown#181\ninvalid func unknown#181\n", 3, "has no helper number 181"),
    ("3: (85) call x\nprogram of this type cannot use helper bpf_d_path#147\n", 3, "bpf_d_path"),
    ("2: (95) exit\nR0 !read_ok\n", 2, "register r0 is used before it is set"),
    ("back-edge from insn 5 to 3\n", 5, "it may loop for ever"),
    ("unreachable insn 9\n", 9, "instruction 9 can never be reached"),
    (
        "4: (bc) w0 = w6\nBPF program is too large. Processed 1000001 insn\n",
        4,
        "gave up after 1000001",
    ),
    ("9: (95) exit\nUnreleased reference id=2 alloc_insn=4\n", 9, "what instruction 4 reserved"),
    ("0: (79) r1 = *(u64 *)(r1 +96)\ninvalid bpf_context access off=96 size=8\n", 0, "offset 96"),
    ("0: (79) x\nfunc 'vfs_read' doesn't have 5-th argument\n", 0, "vfs_read has no argument"),
    ("5: (79) x\naccess beyond struct sock at off 1200 size 8\n", 5, "end of struct sock"),
    (
        "6: (85) call x#6\nR2 type=scalar expected=fp, pkt, map_value\n",
        6,
        "scalar where another is expected: fp, pkt",
    ),
    ("8: (85) x\ninvalid read from stack R2 off -16+0 size 8\n", 8, "stack outside of its"),
    ("8: (85) x\ninvalid indirect read from stack off -16+0 size 8\n", 8, "stack outside of its"),
    ("combined stack size of 2 calls is 544. Too large\n", -1, "more than 512 bytes of stack"),
    ("cannot call GPL-restricted function from non-GPL compatible program\n", -1, "GPL"),
    ("5: (71) x\nR7 unbounded memory access, make sure to check\n", 5, "no bounds"),
    ("5: (71) x\nSomething Quite New happened\n", 5, "something Quite New happened"),
]


@pytest.mark.parametrize(
    ("log", "insn", "message"), CASES, ids=[f"{n}-{case[2]}" for n, case in enumerate(CASES)]
)
def test_reason(log, insn, message):
    refusal = read_log(log + END)
    assert refusal.insn == insn
    assert message in refusal.cause.message
    assert refusal.reason in log
    assert "{" not in refusal.cause.message


def test_a_walk_without_end_is_blamed_on_the_loop():
    walk = "0: (b7) r0 = 0\n" + "1: (07) r0 += 1\n2: (a5) if r0 < 9 goto pc-2\n" * 5
    walk += "3: (bf) r1 = r0\nBPF program is too large. Processed 1000001 insn\n"
    assert read_log(walk + END).insn == 1


def test_the_cure_of_a_python_probe_is_in_python(refused):
    loops = program(refused, "maybe_null")
    log = "7: (b7) r0 = 0\ninfinite loop detected at insn 7\n"
    error = VerifierError("", 22, "BPF_PROG_LOAD", log)
    assert "hint: bound the loop by a constant" in str(explain(error, refused, loops))
    ours = replace(refused, meta=ObjectMeta())
    made = explain(error, ours, loops)
    assert "hint: count towards a limit: bounded(range(n), limit=64)" in str(made)
    assert not made.bug


def test_what_no_probe_can_cause_is_a_bug(refused):
    error = VerifierError("", 13, "BPF_PROG_LOAD", NULL_IN_6_18 + END)
    assert not explain(error, refused, program(refused, "maybe_null")).bug
    ours = replace(refused, meta=ObjectMeta())
    assert explain(error, ours, program(ours, "maybe_null")).bug


def test_no_reason():
    assert read_log("").reason == ""
    assert read_log(END).reason == ""


@pytest.fixture(scope="module")
def refused() -> ObjectSpec:
    return read_object((OBJECTS / "refused.bpf.o").read_bytes(), "refused")


def program(spec: ObjectSpec, name: str) -> ProgramSpec:
    return next(each for each in spec.programs if each.name == name)


def test_the_source_line(refused):
    span, text = locate(refused, program(refused, "maybe_null"), 7)
    assert str(span) == "./refused.bpf.c:27:9"
    assert text.strip() == "return *value;"


def test_the_whole_message(refused):
    error = VerifierError("kernel's", 13, "BPF_PROG_LOAD", NULL_IN_6_18 + END)
    made = explain(error, refused, program(refused, "maybe_null"))
    assert str(made).splitlines() == [
        "program 'maybe_null': load: refused by the verifier",
        "./refused.bpf.c:27:9: error: it uses a pointer that may be NULL",
        "   27 |  return *value;",
        "      |         ^~~~~~~",
        "      = hint: compare the result with NULL before it is used",
        "      = note: the verifier: R0 invalid mem access 'map_value_or_null'",
        "      = note: instruction 7: r0 = *(u64 *)(r0 + 0)",
    ]
    assert (made.errno, made.command, made.log) == (13, "BPF_PROG_LOAD", NULL_IN_6_18 + END)


def test_a_failed_relocation_is_named(refused):
    missing = program(refused, "missing_field")
    relo = missing.core_relos[0]
    assert isinstance(relo, CoreRelo)
    log = f"{relo.insn}: (85) call unknown#195896080\ninvalid func unknown#195896080\n"
    made = explain(VerifierError("", 22, "BPF_PROG_LOAD", log), refused, missing)
    assert "error: this kernel has no 'struct task_struct.no_such_field'" in str(made)


def test_without_line_info(refused):
    plain = ProgramSpec("x", "raw_tp/x", "raw_tracepoint", "", "x", bytes(16))
    error = VerifierError("", 13, "BPF_PROG_LOAD", "1: (95) exit\nR0 !read_ok\n")
    assert str(explain(error, refused, plain)).splitlines() == [
        (
            "program 'x': load: refused by the verifier: register r0 is used before it is set "
            "(give every path a value)"
        ),
        "      = note: the verifier: R0 !read_ok",
        "      = note: instruction 1: .byte 0x00 dst=0 src=0 off=0 imm=0",
    ]


def test_an_empty_log(refused):
    made = explain(VerifierError("", 13, "BPF_PROG_LOAD"), refused, refused.programs[0])
    assert str(made).endswith("load: refused by the verifier: EACCES without a reason")


def test_hints_are_of_the_language_of_the_program():
    program = ProgramSpec("f", "?c/f", "kprobe", "", "", b"\x95" + bytes(7))
    error = VerifierError("refused", 22, "BPF_PROG_LOAD", NULL_IN_6_18)
    for kind, said in (("c", "if (!p) return 0;"), ("kprobe", "compare the result with NULL")):
        meta = ObjectMeta(programs=(ProgramMeta("f", -1, "f", kind, "f"),))
        told = explain(
            error, ObjectSpec("f", "GPL", programs=(program,), maps=(), meta=meta), program
        )
        assert said in str(told)
        assert told.bug == (kind != "c")


def test_atomics_of_newer_kernels():
    refusal = read_log("3: (db) lock *(u64 *)(r1 +0) += r2\nBPF_XADD uses reserved fields\n")
    assert "in one step" in refusal.cause.message
