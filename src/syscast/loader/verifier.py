"""What the verifier meant: the one line of its log that matters, and the source line behind it.

The log walks through the program, instruction by instruction, and ends with the refusal. Pure:
it needs no kernel, and is tested on logs of several kernels.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from syscast.diagnostics import Diagnostic, Span, render
from syscast.errors import FormatError, VerifierError

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.spec.objectspec import LineInfo, ObjectSpec, ProgramSpec

_INSN = re.compile(r"^(\d+): \([0-9a-f]{2}\) ")
# Lines that tell the state, the way here or statistics, but never the reason.
_NOISE = re.compile(
    r"^\s*$|^;|^\d+: |^from \d+ to |^\s*R\d+(_r|_w|_rw)?=|^func#\d+ @|^processed \d+ insns|^mark_precise|"
    r"^verification time|^stack depth|^insns processed|^last_idx|^first_idx|^regs=|^parent |"
    r"^frame\d+: |^propagating|^arg#\d+ |^caller:|^callee:|^returning from callee|^to caller|"
    r"^Live regs before insn|^\s+\d+: |^[0-9a-f]+: \(|^max_states|^Validating |^Func#\d+ "
)
_BAD_RELO = "#195896080"

# A reason that counts instructions by itself, where no instruction stands before it.
_NAMED_INSN = re.compile(r"\b(?:insn|at) #?(\d+)\b")


class Cause(NamedTuple):
    """A refusal in words.

    Attributes:
        message: What is wrong, ``{0}`` and so on filled from the log.
        hint: What may help.
    """

    message: str
    hint: str = ""


_CAUSES: tuple[tuple[str, Cause], ...] = (
    (
        r"(?:invalid|unknown) func (?:unknown)?#195896080",
        Cause(
            "the program needs a field, type or constant that this kernel does not have",
            "test for it first (bpf_core_field_exists)",
        ),
    ),
    (
        r"(?:invalid|unknown) func (?:unknown)?#(\d{10})",
        Cause("the program calls a kernel function that this kernel does not have"),
    ),
    (
        r"(?:invalid|unknown) func unknown#(\d+)",
        Cause(
            "the kernel has no helper number {0}",
            "it is too old for the program",
        ),
    ),
    (
        r"(?:invalid|unknown) func (\S+?)#(\d+)",
        Cause(
            "the helper {0} is not known here",
            "this kernel is too old for it, or the type of the program may not call it",
        ),
    ),
    (
        r"program of this type cannot use helper (\S+?)(?:#\d+)?$",
        Cause("programs of this type may not call {0}", "attach it by another kind of probe"),
    ),
    (
        r"cannot call GPL-restricted function",
        Cause(
            "the program calls a helper that is reserved for GPL programs",
            'give the object a license: char LICENSE[] SEC("license") = "GPL"',
        ),
    ),
    (
        r"R(\d+) invalid mem access '(?:scalar|inv)'",
        Cause(
            "it reads through a value that the verifier does not know to be a pointer",
            "read kernel memory with bpf_probe_read_kernel (BPF_CORE_READ)",
        ),
    ),
    (
        r"R(\d+) invalid mem access '(\w+)_or_null'",
        Cause(
            "it uses a pointer that may be NULL",
            "compare the result with NULL before it is used",
        ),
    ),
    (
        r"R(\d+) invalid mem access '(\S+)'",
        Cause("it accesses memory through a value of type {1}"),
    ),
    (
        r"access beyond struct (\S+) at off (\d+) size (\d+)",
        Cause(
            "it reads {2} bytes at offset {1}, beyond the end of struct {0}",
            "the kernel's struct differs from the one that the program was compiled against: "
            "use CO-RE reads",
        ),
    ),
    (
        r"invalid access to map value, value_size=(\d+) off=(-?\d+) size=(\d+)",
        Cause(
            "it accesses {2} bytes at offset {1} of a map value of {0} bytes",
            "check the index before it is used",
        ),
    ),
    (
        r"invalid access to (packet|memory).*",
        Cause("it accesses {0} outside of the bounds that were checked"),
    ),
    (
        r"R(\d+) (?:unbounded memory access|min value is (?:negative|outside))",
        Cause(
            "an index or a length has no bounds that the verifier can see",
            "compare it with both bounds, or mask it, right before its use",
        ),
    ),
    (
        r"(?:combined stack size of (\d+) calls is (\d+)|stack depth (?:is )?(\d+)).*",
        Cause("it needs more than 512 bytes of stack", "keep large values in a map"),
    ),
    (
        (
            r"invalid (?:write|read|indirect access|indirect read|variable-offset).*stack.*"
            r"|Invalid (?:read|write).*stack.*|invalid stack .*"
        ),
        Cause(
            "it accesses the stack outside of its variables, or before they are set",
            "initialise the whole variable, padding included",
        ),
    ),
    (
        r"R(\d+) !read_ok",
        Cause("register r{0} is used before it is set", "give every path a value"),
    ),
    (
        r"back-edge from insn (\d+) to (\d+)|infinite loop detected.*|loop detected.*",
        Cause("it may loop for ever", "bound the loop by a constant"),
    ),
    (
        r"(?:BPF program is too (?:large|complex)|The sequence of (\d+) jumps is too complex).*",
        Cause(
            "it is too complex: the verifier gave up",
            "make it shorter, unroll less, or move a part into a function of its own",
        ),
    ),
    (
        r"number of funcs in func_info doesn't match number of subprogs",
        Cause(
            "the program takes the address of a function, which this kernel does not know",
            "callbacks (bpf_loop, bpf_for_each_map_elem) came later than this kernel",
        ),
    ),
    (r"unreachable insn (\d+)", Cause("instruction {0} can never be reached")),
    (
        r"Unreleased reference id=\d+ alloc_insn=(\d+)",
        Cause(
            "what instruction {0} reserved is not given back on every path",
            "submit or discard a reserved record on every way out",
        ),
    ),
    (
        r"invalid bpf_context access off=(-?\d+) size=(\d+)",
        Cause(
            "it reads {1} bytes at offset {0} of the context, where this kernel has nothing "
            "to read",
            "the target has fewer arguments, or another type, than the program expects",
        ),
    ),
    (
        r"func '(\S+)' doesn't have (\d+)-th argument",
        Cause("{0} has no argument number {1} in this kernel"),
    ),
    (
        r"R(\d+) type=(\S+) expected=(.+)",
        Cause("register r{0} holds a value of type {1} where {2} is expected"),
    ),
    (
        r"math between (\S+) pointer and register with unbounded.*|R\d+ pointer arithmetic.*",
        Cause(
            "it computes an address from a number without bounds",
            "compare the number with both bounds first",
        ),
    ),
    (
        (
            r"R(\d+) (?:pointer \S+ pointer|bitwise operator \S+ on pointer|"
            r"32-bit pointer arithmetic) prohibited"
        ),
        Cause("it computes with a pointer in a way that is not allowed"),
    ),
    (
        r"cannot (?:write|pass) .*read.?only.*|write into map forbidden.*",
        Cause("it writes to memory that is read-only"),
    ),
    (
        r"attach_btf_id (\d+) is not a function",
        Cause("what it attaches to is not a function in this kernel's BTF"),
    ),
    (
        r"(?:can't|cannot) attach.*|.* is not (?:sleepable|modifiable).*",
        Cause("it may not be attached to its target"),
    ),
    (
        r"helper call is not allowed in probe|calling kernel function (\S+) is not allowed",
        Cause("it calls a kernel function that programs of this type may not call"),
    ),
)
_TABLE = tuple((re.compile(pattern), cause) for pattern, cause in _CAUSES)


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
    return Refusal(reason, insn, _cause(reason))


def _cause(reason: str) -> Cause:
    for pattern, cause in _TABLE:
        found = pattern.search(reason)
        if found:
            groups = [group or "" for group in found.groups()]
            return Cause(cause.message.format(*groups, "", "", ""), cause.hint)
    return Cause(reason[:1].lower() + reason[1:] if reason else "no reason given")


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
    notes = [f"the verifier: {refusal.reason}"]
    if refusal.insn >= 0:
        notes.append(f"instruction {refusal.insn}: {_instruction(program, refusal.insn)}")
    span, source = locate(spec, program, refusal.insn)
    if span is None:
        hint = f" ({refusal.cause.hint})" if refusal.cause.hint else ""
        text = f"{subject}: {refusal.cause.message}{hint}"
        text += "".join(f"\n      = note: {note}" for note in notes)
    else:
        diagnostic = Diagnostic(
            refusal.cause.message, span, source, refusal.cause.hint, tuple(notes)
        )
        text = f"{subject}\n{render(diagnostic)}"
    return VerifierError(text, error.errno, error.command, error.log)


def _with_missing(refusal: Refusal, spec: ObjectSpec, program: ProgramSpec) -> Refusal:
    """Name what a failed CO-RE relocation looked for."""
    if _BAD_RELO not in refusal.reason:
        return refusal
    relo = next((each for each in program.core_relos if each.insn == refusal.insn), None)
    if relo is None:
        return refusal
    from syscast.loader.resolve import describe  # noqa: PLC0415 - only when refused

    name = describe(spec, relo)
    cause = Cause(f"this kernel has no '{name}'", refusal.cause.hint)
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
