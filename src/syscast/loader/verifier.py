"""What the verifier meant: the one line of its log that matters, and the source line behind it.

The log walks through the program, instruction by instruction, and ends with the refusal. Pure:
it needs no kernel, and is tested on logs of several kernels.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from syscast.diagnostics import Diagnostic, Span, render
from syscast.errors import FormatError, VerifierError
from syscast.loader.causes import cause_of

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.loader.causes import Cause
    from syscast.spec.objectspec import LineInfo, ObjectSpec, ProgramSpec

_INSN = re.compile(r"^(\d+): \([0-9a-f]{2}\) ")
# Lines that tell the state, the way here or statistics, but never the reason.
_NOISE = re.compile(
    r"^\s*$|^;|^\d+: |^from \d+ to |^\s*R\d+(_r|_w|_rw)?=|^func#\d+ @|^processed \d+ insns|^mark_precise|"
    r"^verification time|^stack depth|^insns processed|^last_idx|^first_idx|^regs=|^parent |"
    r"^frame\d+: |^propagating|^arg#\d+ |^caller:|^callee:|^returning from callee|^to caller|"
    r"^Live regs before insn|^\s+\d+: |^[0-9a-f]+: \(|^max_states|^Validating |^Func#\d+ "
)
_C = "c"  # syscast.ir.program.C, which is above this room
_BAD_RELO = "#195896080"

# The walk ended wherever the limit was reached, which says little.
_GAVE_UP = "BPF program is too large"

# Access by a number, and the register that holds it; "inv" until Linux 5.17.
_BY_NUMBER = re.compile(r"^R(\d+) invalid mem access '(?:scalar|inv)'")

# A reason that counts instructions by itself, where no instruction stands before it.
_NAMED_INSN = re.compile(r"\b(?:insn|at) #?(\d+)\b")


class Refusal(NamedTuple):
    """What a log says.

    Attributes:
        reason: The line that matters, as the kernel wrote it; ``""`` if there is none.
        insn: The instruction that it is about, or -1.
        cause: In words.
    """

    reason: str
    insn: int
    cause: Cause


def read_log(log: str) -> Refusal:
    """Find the reason in a verifier log of a refused program."""
    insn = -1
    reason = ""
    for line in log.splitlines():
        found = _INSN.match(line)
        if found:
            insn = int(found[1])
            reason = ""
        elif not _NOISE.match(line) and not reason:
            # Later lines explain the first one, or what was done about it.
            reason = line.strip()
    named = _NAMED_INSN.search(reason)
    if named and insn < 0:
        insn = int(named[1])
    if reason.startswith(_GAVE_UP):
        insn = _busiest(log)
    number = _BY_NUMBER.match(reason)
    if number and not _is_null(log, number[1]):
        number = None
    meant = f"R{number[1]} invalid mem access 'NULL'" if number else reason
    return Refusal(reason, insn, cause_of(meant))


def _is_null(log: str, register: str) -> bool:
    """Whether a register held a pointer's NULL in the last state that the log tells of it.

    Behind the test of a pointer the verifier knows the 0, and calls it a number; so it does with the
    pointer's copies, of whose change it says nothing.
    """
    state = re.compile(rf"\bR{register}(?:_[rw]+)?=(\S+)")
    called = r"|call " if register in "012345" else ""  # a call changes these
    written = re.compile(rf"^\d+: \([0-9a-f]{{2}}\) (?:[rw]{register} \S*=(?!=){called})")
    held = ""
    for line in log.splitlines():
        told = state.findall(line)
        if told:
            held = told[-1]
        elif written.match(line):
            held = ""
    return re.fullmatch(r"(?:inv|P)?0|\w+_or_null\b.*", held) is not None


def _busiest(log: str) -> int:
    """The instruction that was stepped on most often, first of equals: it is in the loop."""
    steps = Counter(int(found[1]) for found in map(_INSN.match, log.splitlines()) if found)
    return min(steps, key=lambda insn: (-steps[insn], insn), default=-1)


def explain(error: VerifierError, spec: ObjectSpec, program: ProgramSpec) -> VerifierError:
    """The same error, with the source line and the cause in its message.

    Args:
        error: From ``kernel.bpfprogs.prog_load``; its log may be empty.
        spec: The object, for the texts of its BTF.
        program: The program that was refused.
    """
    refusal = _with_missing(read_log(error.log), spec, program)
    subject = f"program '{program.name}': load: refused by the verifier"
    if not refusal.reason:
        text = f"{subject}: {error.errno_name} without a reason"
        return VerifierError(text, error.errno, error.command, error.log)
    cause = refusal.cause
    ours = _is_python(spec)
    foreign = spec.meta is None or spec.meta.foreign
    hint = ("" if foreign else cause.python if ours else cause.c) or cause.hint
    notes = [f"the verifier: {refusal.reason}"]
    if refusal.insn >= 0:
        notes.append(f"instruction {refusal.insn}: {_instruction(program, refusal.insn)}")
    span, source = locate(spec, program, refusal.insn)
    if span is None:
        text = f"{subject}: {cause.message}{f' ({hint})' if hint else ''}"
        text += "".join(f"\n      = note: {note}" for note in notes)
    else:
        diagnostic = Diagnostic(cause.message, span, source, hint, tuple(notes))
        text = f"{subject}\n{render(diagnostic)}"
    bug = ours and cause.bug
    return VerifierError(text, error.errno, error.command, error.log, bug=bug)


def _is_python(spec: ObjectSpec) -> bool:
    """Whether the object was made of probes in Python: not by others, and not of C text."""
    meta = spec.meta
    return meta is not None and not meta.foreign and all(each.kind != _C for each in meta.programs)


def _with_missing(refusal: Refusal, spec: ObjectSpec, program: ProgramSpec) -> Refusal:
    """Name what a failed CO-RE relocation looked for."""
    if _BAD_RELO not in refusal.reason:
        return refusal
    relo = next((each for each in program.core_relos if each.insn == refusal.insn), None)
    if relo is None:
        return refusal
    from syscast.loader.resolve import describe  # noqa: PLC0415 - only when refused

    name = describe(spec, relo)
    cause = refusal.cause._replace(message=f"this kernel has no '{name}'")
    return Refusal(f"{refusal.reason} (the mark of a failed relocation)", refusal.insn, cause)


def locate(spec: ObjectSpec, program: ProgramSpec, insn: int) -> tuple[Span | None, str]:
    """Place and text of the source line of an instruction; None where it is not known."""
    best: LineInfo | None = None
    for each in program.line_infos:
        if each.insn <= insn and each.line:
            best = each
    if best is None or not spec.btf:
        return None, ""
    from syscast.btf.lookup import Btf  # noqa: PLC0415 - only when refused

    btf = Btf.from_bytes(spec.btf, name=spec.name)
    return Span(_string(btf, best.file_off), best.line, max(best.column, 1)), _string(
        btf, best.text_off
    )


def _string(btf: Btf, offset: int) -> str:
    try:
        return btf.string(offset)
    except FormatError:
        return ""


def _instruction(program: ProgramSpec, insn: int) -> str:
    from syscast.asm import decode_one  # noqa: PLC0415 - only when refused
    from syscast.asm.disassemble import disassemble_one  # noqa: PLC0415

    try:
        return disassemble_one(decode_one(program.insns, insn * 8))
    except FormatError:
        return "it is not in the program"
