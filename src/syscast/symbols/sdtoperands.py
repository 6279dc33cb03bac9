"""Where a USDT probe's arguments are: the operands of <sys/sdt.h>, as the assembler of the machine writes them.

Each argument reads ``N@OPERAND``: N bytes, negative for signed, with an ``f`` behind for floating point. On
x86-64 an operand is ``$5``, ``%rax``, ``-8(%rbp)``, ``12(%rax,%rbx,4)`` or ``name+4(%rip)``; on aarch64 ``5``, ``x0``,
``[sp, 12]`` or ``[x1, x2, lsl 3]``. Registers are named here as members of struct pt_regs.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from syscast.elf import EM_AARCH64, EM_X86_64

CONSTANT = "constant"
REGISTER = "register"
MEMORY = "memory"
UNKNOWN = "unknown"
HERE = "here"
"""Stands for a register: the address of the probe itself."""


class Operand(NamedTuple):
    """One argument.

    Attributes:
        text: As in the file.
        size: Bytes.
        signed: Of the integer.
        floating: A floating-point number.
        kind: `CONSTANT`, `REGISTER`, `MEMORY`, or `UNKNOWN` for what is not understood.
        number: The constant; of memory what is added to the address.
        register: Of pt_regs (``ax``, ``regs[3]``), or `HERE`; of memory the base, ``""`` for none.
        byte: Of a register, the first byte that is meant: 1 for ``%ah``.
        indexed: A register that is added to the address, times ``scale``; ``""`` for none.
        scale: 1, 2, 4 or 8.
        symbol: A symbol whose address is added; ``""`` for none.
    """

    text: str
    size: int
    signed: bool
    floating: bool = False
    kind: str = UNKNOWN
    number: int = 0
    register: str = ""
    byte: int = 0
    indexed: str = ""
    scale: int = 1
    symbol: str = ""

    @property
    def ctype(self) -> str:
        """The C type."""
        if self.floating:
            return {4: "float", 8: "double"}.get(self.size, "long double")
        name = {1: "char", 2: "short", 4: "int", 8: "long"}.get(self.size, "")
        if not name:
            return ""
        if self.signed:
            return "signed char" if name == "char" else name
        return f"unsigned {name}"


_ARGUMENT = re.compile(r"(?:^|\s)(?:(?P<sign>-?)(?P<size>\d{1,2})(?P<float>f?)@)")
_SIZES = frozenset({1, 2, 4, 8})
_NUMBER = r"[-+]?(?:0x[0-9a-fA-F]+|\d+)"

_X86_CONSTANT = re.compile(rf"\$({_NUMBER})")
_X86_REGISTER = re.compile(r"%(\w+)")
_X86_MEMORY = re.compile(
    rf"(?P<first>{_NUMBER})?(?P<symbol>[A-Za-z_.$][\w.$@]*)?(?P<more>(?:[-+](?:0x[0-9a-fA-F]+|\d+))*)"
    r"\((?:%(?P<base>\w+))?(?:,\s*%(?P<index>\w+)(?:,\s*(?P<scale>[1248]))?)?\)"
)
_ARM_MEMORY = re.compile(
    rf"\[(?P<base>\w+)(?:,\s*(?:#?(?P<number>{_NUMBER})|(?P<index>[wx]\d+)"
    r"(?:,\s*(?:lsl|uxtw|sxtw|sxtx)\s*#?(?P<shift>[0-3])?)?))?\]"
)


def arguments(text: str, machine: int) -> tuple[Operand, ...]:
    """The arguments of a probe.

    Args:
        text: The third string of a note: ``-4@%eax 8@-16(%rbp)``.
        machine: ``elf.EM_*``.
    """
    starts = list(_ARGUMENT.finditer(text))
    found = []
    for number, start in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        found.append(_operand(start, text[start.end() : end].strip(), machine))
    return tuple(found)


def _operand(start: re.Match[str], text: str, machine: int) -> Operand:
    plain = Operand(
        f"{start[0].strip()}{text}", int(start["size"]), bool(start["sign"]), bool(start["float"])
    )
    if plain.floating or plain.size not in _SIZES:
        return plain
    if machine == EM_X86_64:
        return _x86(plain, text)
    if machine == EM_AARCH64:
        return _arm(plain, text)
    return plain


def _x86(plain: Operand, text: str) -> Operand:
    constant = _X86_CONSTANT.fullmatch(text)
    if constant:
        return plain._replace(kind=CONSTANT, number=int(constant[1], 0))
    register = _X86_REGISTER.fullmatch(text)
    if register:
        name, byte = _X86_NAMES.get(register[1], ("", 0))
        return plain._replace(kind=REGISTER, register=name, byte=byte) if name else plain
    memory = _X86_MEMORY.fullmatch(text)
    if not memory:
        return plain
    base = _base(memory["base"])
    index, _ = _X86_NAMES.get(memory["index"] or "", ("", 0))
    number = int(memory["first"] or "0", 0) + sum(
        int(each, 0) for each in re.findall(_NUMBER, memory["more"])
    )
    symbol = memory["symbol"] or ""
    if base is None or (memory["index"] and not index) or (symbol and base != HERE):
        return plain
    if base == HERE and not symbol:
        return plain  # a distance from the end of an instruction that is not there
    return plain._replace(
        kind=MEMORY,
        number=number,
        register=base,
        indexed=index,
        scale=int(memory["scale"] or "1"),
        symbol=symbol,
    )


def _base(name: str | None) -> str | None:
    """The base register; None for one that is not known."""
    if name is None:
        return ""
    if name == "rip":
        return HERE
    return _X86_NAMES.get(name, (None, 0))[0]


def _arm(plain: Operand, text: str) -> Operand:
    if re.fullmatch(rf"#?{_NUMBER}", text):
        return plain._replace(kind=CONSTANT, number=int(text.removeprefix("#"), 0))
    register = _arm_register(text)
    if register:
        return plain._replace(kind=REGISTER, register=register)
    memory = _ARM_MEMORY.fullmatch(text)
    if not memory:
        return plain
    base, index = _arm_register(memory["base"]), _arm_register(memory["index"] or "")
    if not base or (memory["index"] and not index):
        return plain
    number, shift = int(memory["number"] or "0", 0), int(memory["shift"] or "0")
    return plain._replace(
        kind=MEMORY, number=number, register=base, indexed=index, scale=1 << shift
    )


def _arm_register(name: str) -> str:
    if name == "sp":
        return "sp"
    found = re.fullmatch(r"[wx](\d|[12]\d|30)", name)
    return f"regs[{found[1]}]" if found else ""


def _x86_names() -> dict[str, tuple[str, int]]:
    """Every name of an integer register: the member of pt_regs, and the first byte."""
    found = {}
    for each in "abcd":
        for name in (f"r{each}x", f"e{each}x", f"{each}x", f"{each}l"):
            found[name] = (f"{each}x", 0)
        found[f"{each}h"] = (f"{each}x", 1)
    for each in ("si", "di", "bp", "sp"):
        for name in (f"r{each}", f"e{each}", each, f"{each}l"):
            found[name] = (each, 0)
    for number in range(8, 16):
        for suffix in ("", "d", "w", "b"):
            found[f"r{number}{suffix}"] = (f"r{number}", 0)
    return found


_X86_NAMES = _x86_names()
