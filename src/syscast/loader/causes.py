"""Refusals in words: what the verifier's own line means, what may help, and who can do something about it.

The lines are those of kernel/bpf/verifier.c, btf.c and core.c from Linux 5.4 on; the causes are tried in
this order. tests/data/refusals.tsv has what real kernels say.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Cause(NamedTuple):
    """A refusal in words.

    Attributes:
        message: What is wrong, ``{0}`` and so on filled from the log.
        hint: What may help.
        python: The same where the program is a probe in Python, if it is something else.
        c: The same where the program is text of the bcc dialect.
        bug: In a probe in Python, nothing of this can come from its author: it is ours.
    """

    message: str
    hint: str = ""
    python: str = ""
    bug: bool = False
    c: str = ""


_TOO_DEEP = Cause(
    "it needs more than 512 bytes of stack",
    "keep large values in a map",
    "use fewer or shorter strings at a time, and keep large values in a Hash or an Array",
    c="keep large values in a BPF_PERCPU_ARRAY of one entry",
)
_LOWER = "lower the loop's limit, or do less in each round"

CAUSES: tuple[tuple[str, Cause], ...] = (
    # ------------------------------------------------------------ what this kernel lacks
    (
        r"(?:invalid|unknown) func (?:unknown)?#195896080",
        Cause(
            "the program needs a field, type or constant that this kernel does not have",
            "test for it first (bpf_core_field_exists)",
            "build it on this kernel",
        ),
    ),
    (
        r"(?:invalid|unknown) func (?:unknown)?#(\d{10})",
        Cause("the program calls a kernel function that this kernel does not have"),
    ),
    (
        r"(?:invalid|unknown) func unknown#(\d+)",
        Cause("the kernel has no helper number {0}", "it is too old for the program"),
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
        r"kernel btf_id (\d+) is not a function|kernel function btf_id \d+ does not have",
        Cause("it calls something that is no function in this kernel's BTF"),
    ),
    (
        r"BPF_CALL uses reserved fields|calling kernel functions? (?:are|is) not (?:supported|allowed).*",
        Cause(
            "it calls a kernel function, which this kernel does not let programs do",
            "kernel functions can be called since Linux 5.13, and each by some types only",
        ),
    ),
    (
        r"helper call is not allowed in probe|calling kernel function (\S+) is not allowed",
        Cause("it calls a kernel function that programs of this type may not call"),
    ),
    (
        r"number of funcs in func_info doesn't match number of subprogs",
        Cause(
            "the program takes the address of a function, which this kernel does not know",
            "callbacks (bpf_loop, bpf_for_each_map_elem) came later than this kernel",
        ),
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
        r"BPF_(?:XADD|ATOMIC|STX) uses (?:reserved fields|invalid atomic opcode).*",
        Cause(
            "it changes memory in one step in a way that this kernel does not know",
            "all but additions whose result is not used came with Linux 5.12",
        ),
    ),
    # ------------------------------------------------------------ too much of something
    (
        r"BPF program is too large\. Processed (\d+) insn",
        Cause(
            "it is too much for the verifier, which gave up after {0} instructions",
            "bound the loop by a smaller constant, or move its body into a callback of bpf_loop",
            _LOWER,
        ),
    ),
    (
        r"The sequence of (\d+) jumps is too complex|BPF program is too (?:large|complex).*",
        Cause(
            "it has too many branches for the verifier, which gave up",
            "make it shorter, unroll less, or move a part into a function of its own",
            "lower the limit of the loop around it, or use fewer conditions in one place",
        ),
    ),
    (
        r"back-edge from insn (\d+) to (\d+)|infinite loop detected.*|loop detected.*",
        Cause(
            "it may loop for ever",
            "bound the loop by a constant",
            "count towards a limit: bounded(range(n), limit=64)",
            c="bound the loop by a constant that is tested in each round, or write #pragma unroll before it",
        ),
    ),
    (
        r"combined stack size of (\d+) calls is (\d+)|stack depth (?:is )?(\d+).*",
        _TOO_DEEP,
    ),
    (
        r"invalid (?:write|read|indirect|variable|stack).*\boff[= ]-(?:51[3-9]|5[2-9]\d|[6-9]\d\d|\d{4,})\b.*",
        _TOO_DEEP,
    ),
    (
        r"(?:the )?call stack of (\d+) frames is too deep.*",
        Cause("its functions call each other more than eight deep", "put some of them together"),
    ),
    # ------------------------------------------------------------ memory
    (
        r"R\d+ (?:pointer arithmetic on|invalid mem access)[ ']+(?:\w+_or_null\b|NULL).*",
        Cause(
            "it uses a pointer that may be NULL",
            "compare the result with NULL before it is used",
            bug=True,
            c="test it first: if (!p) return 0;",
        ),
    ),
    (
        r"R(\d+) invalid mem access '(?:scalar|inv)'",
        Cause(
            "it reads through a value that the verifier does not know to be a pointer",
            "read kernel memory with bpf_probe_read_kernel (BPF_CORE_READ)",
            bug=True,
            c="copy what it points to first: bpf_probe_read_kernel(&x, sizeof(x), p)",
        ),
    ),
    (
        r"R(\d+) invalid mem access '(\S+)'",
        Cause("it accesses memory through a value of type {1}", bug=True),
    ),
    (
        r"access beyond struct (\S+) at off (\d+) size (\d+)",
        Cause(
            "it reads {2} bytes at offset {1}, beyond the end of struct {0}",
            "the kernel's struct differs from the one that the program was compiled against: "
            "use CO-RE reads",
            bug=True,
            c="the struct that the text declares is not this kernel's",
        ),
    ),
    (
        r"invalid access to map value, value_size=(\d+) off=(-?\d+) size=(\d+)",
        Cause(
            "it accesses {2} bytes at offset {1} of a map value of {0} bytes",
            "check the index before it is used",
            bug=True,
        ),
    ),
    (
        r"invalid access to (packet|memory).*",
        Cause("it accesses {0} outside of the bounds that were checked", bug=True),
    ),
    (
        (
            r"R(\d+) (?:unbounded memory access|min value is (?:negative|outside)).*"
            r"|math between \S+ pointer and (?:register with unbounded|\d+).*"
        ),
        Cause(
            "an index or a length has no bounds that the verifier can see",
            "compare it with both bounds, or mask it, right before its use",
            bug=True,
        ),
    ),
    (
        r"misaligned (?:stack|value|packet|context)? ?access.*|misaligned access.*",
        Cause(
            "it accesses memory at an address that is no multiple of the size",
            "use the alignment that the type has",
            bug=True,
        ),
    ),
    (
        (
            r"invalid (?:write|read|indirect access|indirect read|variable-offset).*stack.*"
            r"|Invalid (?:read|write).*stack.*|invalid stack .*"
        ),
        Cause(
            "it accesses the stack outside of its variables, or before they are set",
            "initialise the whole variable, padding included",
            bug=True,
        ),
    ),
    (
        r"R(\d+) !read_ok",
        Cause("register r{0} is used before it is set", "give every path a value", bug=True),
    ),
    (
        r"cannot (?:write|pass) .*read.?only.*|write into map forbidden.*",
        Cause("it writes to memory that is read-only", bug=True),
    ),
    (
        r"Unreleased reference id=\d+ alloc_insn=(\d+)",
        Cause(
            "what instruction {0} reserved is not given back on every path",
            "submit or discard a reserved record on every way out",
            bug=True,
        ),
    ),
    (
        r"R(\d+) type=(?:scalar|inv) expected=(?:ringbuf_mem|alloc_mem|mem$).*",
        Cause(
            "it uses a record that it does not have, or has submitted already",
            "use a record between its reservation and its submission only",
            bug=True,
        ),
    ),
    (
        r"R(\d+) type=(\S+) expected=(.+)",
        Cause("register r{0} holds a value of type {1} where another is expected: {2}", bug=True),
    ),
    # ------------------------------------------------------------ arithmetic and control flow
    (
        (
            r"R\d+ (?:pointer [+\-*/%&|<>^=s]+ pointer|bitwise operator \S+ on pointer|"
            r"32-bit pointer arithmetic|pointer arithmetic with \S+ operator|"
            r"pointer arithmetic on \S+|subtraction from stack pointer|"
            r"partial copy of pointer).*"
        ),
        Cause("it computes with a pointer in a way that is not allowed", bug=True),
    ),
    (
        r"unreachable insn (\d+)",
        Cause(
            "instruction {0} can never be reached", "remove code that nothing leads to", bug=True
        ),
    ),
    (
        r"last insn is not an exit or jmp",
        Cause(
            "a function in it has no end",
            "return on every path; code behind the last return is never called",
            bug=True,
        ),
    ),
    (
        r"jump out of range from insn (\d+) to (\d+)",
        Cause("instruction {0} jumps out of its function", bug=True),
    ),
)
_TABLE = tuple((re.compile(pattern), cause) for pattern, cause in CAUSES)


def cause_of(reason: str) -> Cause:
    """What a line of the verifier means."""
    for pattern, cause in _TABLE:
        found = pattern.search(reason)
        if found:
            groups = [group or "" for group in found.groups()]
            return cause._replace(message=cause.message.format(*groups, "", "", ""))
    return Cause(reason[:1].lower() + reason[1:] if reason else "no reason given", bug=True)
