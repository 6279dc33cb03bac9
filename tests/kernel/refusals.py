"""Programs that every verifier refuses, each for one reason, and what is said of them: tests/data/refusals.tsv.

The table holds, for each kernel, the verifier's own line and the cause that is shown. `test_refusals.py`
compares it. It is made anew, a kernel at a time, by

    ./dev python tests/kernel/refusals.py native
    ./dev vm --kernel 6.1 --shell 'python tests/kernel/refusals.py 6.1' > refusals.txt
    ./dev python tests/kernel/refusals.py --merge refusals.txt
"""

# ruff: noqa: T201  (a command)

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from syscast.asm import build, encode
from syscast.asm.opcodes import (
    BPF_ADD,
    BPF_B,
    BPF_DW,
    BPF_JEQ,
    BPF_JLT,
    BPF_JNE,
    BPF_MUL,
    BPF_W,
    R0,
    R1,
    R2,
    R3,
    R6,
    R7,
    R10,
)
from syscast.errors import KernelError, VerifierError
from syscast.loader import load
from syscast.loader.verifier import read_log
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec

if TYPE_CHECKING:
    from syscast.asm import Instruction

TABLE = Path(__file__).parents[1] / "data/refusals.tsv"
HEAD = ("case", "kernel", "cause", "verifier")
KERNELS = ("native", "5.10", "6.1", "6.12", "newest")

MAP_LOOKUP_ELEM = 1
PRANDOM = 7
SKB_LOAD_BYTES = 26
GET_CURRENT_TASK = 35
RINGBUF_RESERVE = 131
RINGBUF_SUBMIT = 132

HASH = MapSpec("values", "hash", 4, 8, 1)
RING = MapSpec("ring", "ringbuf", 0, 0, 4096)
FROZEN = MapSpec("frozen", "array", 4, 8, 1, flags=1 << 7)  # BPF_F_RDONLY_PROG

TAKEN = "(taken)"
"""What stands for the line of a verifier that has learnt to accept a program."""

EXIT = build.exit_()
ZERO = [build.mov_imm(R0, 0), EXIT]


class Case(NamedTuple):
    """One program.

    Attributes:
        code: Its instructions; a load of a map names `maps` in order.
        maps: What it uses.
        type: Of program.
        license: As in the object.
    """

    code: list[Instruction]
    maps: tuple[MapSpec, ...] = ()
    type: str = "raw_tracepoint"
    license: str = "GPL"

    def spec(self) -> ObjectSpec:
        """The object that the loader takes."""
        refs = []
        slot = 0
        left = list(self.maps)
        for each in self.code:
            if each.slots == 2 and each.src == 1:
                refs.append(MapRef(slot, left.pop(0).name))
            slot += each.slots
        program = ProgramSpec("bad", "bad", self.type, "", "", encode(self.code), tuple(refs))
        return ObjectSpec("bad", self.license, (program,), self.maps)


def _lookup(then: list[Instruction]) -> list[Instruction]:
    """``r0 = lookup(map, 0)`` and more."""
    return [
        build.store_imm(BPF_W, R10, -4, 0),
        build.mov_reg(R2, R10),
        build.alu_imm(BPF_ADD, R2, -4),
        build.load_map(R1, 0),
        build.call_helper(MAP_LOOKUP_ELEM),
        *then,
    ]


def _checked(then: list[Instruction]) -> list[Instruction]:
    return _lookup([build.jump_imm(BPF_JNE, R0, 0, 1), EXIT, *then])


def _jumps() -> list[Instruction]:
    """More branches that wait to be walked than the verifier keeps."""
    code = [build.call_helper(PRANDOM)]
    code += [build.jump_imm(BPF_JEQ, R0, number, 0) for number in range(9000)]
    return [*code, *ZERO]


CASES: dict[str, Case] = {
    "map value out of bounds": Case(_checked([build.load(BPF_DW, R0, R0, 8), *ZERO]), (HASH,)),
    "missing null check": Case(_lookup([build.load(BPF_DW, R0, R0, 0), *ZERO]), (HASH,)),
    "unbounded index": Case(
        [
            build.call_helper(PRANDOM),
            build.mov_reg(R6, R0),
            *_checked(
                [
                    build.alu_reg(BPF_ADD, R0, R6),
                    build.load(BPF_B, R0, R0, 0),
                    *ZERO,
                ]
            ),
        ],
        (HASH,),
    ),
    "number as a pointer": Case(
        [build.call_helper(GET_CURRENT_TASK), build.load(BPF_DW, R0, R0, 0), *ZERO]
    ),
    "stack too deep": Case([build.store_imm(BPF_DW, R10, -520, 0), *ZERO]),
    "stack read past its end": Case([build.load(BPF_DW, R0, R10, 8), *ZERO]),
    "combined stack": Case(
        [
            build.store_imm(BPF_DW, R10, -400, 0),
            build.call_local(2),
            *ZERO,
            build.store_imm(BPF_DW, R10, -400, 0),
            *ZERO,
        ]
    ),
    "nine frames": Case([each for _ in range(9) for each in (build.call_local(1), EXIT)] + ZERO),
    "result never set": Case([EXIT]),
    "infinite loop": Case([build.mov_imm(R0, 0), build.jump_imm(BPF_JEQ, R0, 0, -1), EXIT]),
    "too many steps": Case(
        [
            build.mov_imm(R0, 0),
            build.alu_imm(BPF_ADD, R0, 1),
            build.jump_imm(BPF_JLT, R0, 2_000_000, -2),
            *ZERO,
        ]
    ),
    "too many jumps": Case(_jumps()),
    "unreachable": Case([*ZERO, *ZERO]),
    "dead subprogram": Case([*ZERO, build.call_local(0), *ZERO]),
    "falls off the end": Case([build.mov_imm(R0, 0)]),
    "jump out of the program": Case([build.jump_imm(BPF_JEQ, R1, 0, 99), *ZERO]),
    "unreleased record": Case(
        [
            build.load_map(R1, 0),
            build.mov_imm(R2, 8),
            build.mov_imm(R3, 0),
            build.call_helper(RINGBUF_RESERVE),
            *ZERO,
        ],
        (RING,),
    ),
    "no such helper": Case([build.call_helper(9999), *ZERO]),
    "helper of another type": Case([build.call_helper(SKB_LOAD_BYTES), *ZERO]),
    "helper for GPL only": Case([build.call_helper(GET_CURRENT_TASK), *ZERO], license="MIT"),
    "no such kernel function": Case([build.call_kfunc(9_999_999), *ZERO]),
    "context past its end": Case([build.load(BPF_DW, R0, R1, 4096), *ZERO], type="kprobe"),
    "arithmetic on a pointer": Case([build.alu_imm(BPF_MUL, R1, 2), *ZERO]),
    "arithmetic on a maybe null": Case(_lookup([build.alu_imm(BPF_ADD, R0, 8), *ZERO]), (HASH,)),
    "write to read-only": Case(_checked([build.store_imm(BPF_DW, R0, 0, 1), *ZERO]), (FROZEN,)),
    "number for a pointer argument": Case(
        [
            build.load_map(R1, 0),
            build.mov_imm(R2, 5),
            build.call_helper(MAP_LOOKUP_ELEM),
            *ZERO,
        ],
        (HASH,),
    ),
    "record submitted twice": Case(
        [
            build.load_map(R1, 0),
            build.mov_imm(R2, 8),
            build.mov_imm(R3, 0),
            build.call_helper(RINGBUF_RESERVE),
            build.jump_imm(BPF_JNE, R0, 0, 1),
            EXIT,
            build.mov_reg(R6, R0),
            build.mov_reg(R1, R6),
            build.mov_imm(R2, 0),
            build.call_helper(RINGBUF_SUBMIT),
            build.mov_reg(R1, R6),
            build.mov_imm(R2, 0),
            build.call_helper(RINGBUF_SUBMIT),
            *ZERO,
        ],
        (RING,),
    ),
    "misaligned stack": Case([build.store_imm(BPF_DW, R10, -9, 0), *ZERO]),
    "used after a call": Case([build.call_helper(PRANDOM), build.mov_reg(R7, R1), *ZERO]),
    "too long": Case([build.mov_imm(R0, 0)] * 1_000_001 + [EXIT]),
}


class Told(NamedTuple):
    """What a user is told.

    Attributes:
        cause: In words, with the cure.
        verifier: The kernel's line, numbers of registers and types as they are.
        text: The whole message.
    """

    cause: str
    verifier: str
    text: str


def refuse(case: Case) -> Told:
    """Have a program refused."""
    try:
        load(case.spec()).close()
    except VerifierError as error:
        refusal = read_log(error.log)
        cause = refusal.cause
        words = f"{cause.message} ({cause.hint})" if cause.hint else cause.message
        return Told(words, refusal.reason, str(error))
    except KernelError as error:
        return Told(str(error), "", str(error))
    return Told("", TAKEN, "")


class Row(NamedTuple):
    """One line of the table."""

    case: str
    kernel: str
    cause: str
    verifier: str


def row(name: str, kernel: str) -> Row:
    """Have one case refused here."""
    told = refuse(CASES[name])
    return Row(name, kernel, told.cause, re.sub(r"\b(\d{7,})\b", "N", told.verifier))


def read(path: Path = TABLE) -> list[Row]:
    """Read a table; lines that are no rows are passed over."""
    words = [line.split("\t") for line in path.read_text().splitlines()]
    return [Row(*line) for line in words if len(line) == len(HEAD) and line[1] in KERNELS]


def merge(rows: list[Row]) -> None:
    """Put rows in the place of all that the table has for their kernels."""
    fresh = {each.kernel for each in rows}
    kept = [each for each in read() if each.kernel not in fresh] if TABLE.exists() else []
    order = list(CASES)
    ordered = sorted(
        [*kept, *rows], key=lambda each: (order.index(each.case), KERNELS.index(each.kernel))
    )
    TABLE.write_text("\n".join("\t".join(line) for line in (HEAD, *ordered)) + "\n")


def main() -> None:
    """Measure this kernel, or merge what was measured elsewhere."""
    match sys.argv[1:]:
        case ["--merge", *files] if files:
            merge([each for file in files for each in read(Path(file))])
        case ["native"]:
            merge([row(name, "native") for name in CASES])
        case [kernel] if kernel in KERNELS:
            for name in CASES:
                print("\t".join(row(name, kernel)), flush=True)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
