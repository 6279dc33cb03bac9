"""C types as both supported hosts lay them out: LP64, little-endian, the SysV and AAPCS64 ABIs.

Types are values. Two are equal when C takes them for the same type; the name of the typedef that one
was reached by (`alias`) does not count, but is kept, since Python names what it makes of a type by
the spelling of the text. A struct, union or enum is the same type only as itself: the class
`Record` is a handle of a `Body`, which may be completed later and may look its members up lazily.

Qualifiers are left out: nothing that this front end decides depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POINTER_SIZE = 8
MAX_ALIGN = 16
"""What ``__attribute__((aligned))`` without a number means on both machines."""


class TypeProblem(ValueError):  # noqa: N818  (a finding without a place; whoever has the node reports it)
    """A type cannot do what was asked of it.

    Attributes:
        message: Lower case, no full stop.
        hint: What would work instead.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Void:
    """``void``; its size is 1, as GNU C counts for ``void *`` arithmetic."""

    alias: str = field(default="", compare=False)
    size = 1
    align = 1
    complete = False

    @property
    def spelling(self) -> str:
        """As C writes it."""
        return self.alias or "void"


@dataclass(frozen=True, slots=True)
class Int:
    """An integer type.

    Attributes:
        name: C's own spelling, always the same for one type: ``unsigned long``, ``char``.
        size: In bytes: 1, 2, 4, 8 or 16.
        signed: Whether it has negative values; of plain ``char`` this depends on the machine.
    """

    name: str
    size: int
    signed: bool
    alias: str = field(default="", compare=False)
    complete = True

    @property
    def align(self) -> int:
        """In bytes."""
        return self.size

    @property
    def spelling(self) -> str:
        """The typedef that it was reached by, else C's name."""
        return self.alias or self.name

    @property
    def bits(self) -> int:
        """Width in bits."""
        return 8 * self.size

    @property
    def is_char(self) -> bool:
        """Whether it is one of the three character types."""
        return self.size == 1

    @property
    def rank(self) -> int:
        """C's conversion rank: ``long`` and ``long long`` differ though their sizes do not."""
        return _RANKS[self.name.removeprefix("unsigned ").removeprefix("signed ")]

    def wrap(self, value: int) -> int:
        """Bring a value into the type's range by dropping high bits."""
        value &= (1 << self.bits) - 1
        return value - (1 << self.bits) if self.signed and value >> self.bits - 1 else value


@dataclass(frozen=True, slots=True)
class Bool:
    """``_Bool``."""

    alias: str = field(default="", compare=False)
    size = 1
    align = 1
    signed = False
    complete = True

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or "_Bool"

    @staticmethod
    def wrap(value: int) -> int:
        """0 or 1."""
        return int(value != 0)


@dataclass(frozen=True, slots=True)
class Float:
    """A floating-point type: it can be declared, and members of it have a place; BPF cannot use it."""

    name: str
    size: int
    alias: str = field(default="", compare=False)
    complete = True

    @property
    def align(self) -> int:
        """In bytes."""
        return self.size

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or self.name


class EnumBody:
    """What all handles of one enum share; an enum that is only declared has no values yet."""

    __slots__ = ("complete", "signed", "size", "tag", "values")

    def __init__(self, tag: str) -> None:
        self.tag: str = tag
        self.values: Mapping[str, int] = {}
        self.size: int = 4
        self.signed: bool = False
        self.complete: bool = False

    def define(
        self, values: Mapping[str, int], size: int = 0, *, signed: bool | None = None
    ) -> None:
        """Complete the enum; without a size, take the smallest of 4 and 8 that holds all values."""
        lowest, highest = min(values.values(), default=0), max(values.values(), default=0)
        self.values = values
        self.signed = lowest < 0 if signed is None else signed
        wide = lowest < -(1 << 31) or highest >= 1 << (31 if self.signed else 32)
        self.size = size or (8 if wide else 4)
        self.complete = True


@dataclass(frozen=True, slots=True)
class Enum:
    """An enum; for arithmetic it is its `underlying` integer."""

    body: EnumBody
    alias: str = field(default="", compare=False)

    @property
    def tag(self) -> str:
        """Its name; "" without."""
        return self.body.tag

    @property
    def values(self) -> Mapping[str, int]:
        """Enumerators in order."""
        return self.body.values

    @property
    def size(self) -> int:
        """In bytes."""
        return self.body.size

    @property
    def align(self) -> int:
        """In bytes."""
        return self.body.size

    @property
    def signed(self) -> bool:
        """Whether an enumerator is negative."""
        return self.body.signed

    @property
    def complete(self) -> bool:
        """Whether its enumerators are known."""
        return self.body.complete

    @property
    def underlying(self) -> Int:
        """The integer type that gcc and clang use for it."""
        return _ENUM_INTS[self.body.size, self.body.signed]

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or (f"enum {self.tag}" if self.tag else "enum {...}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer.

    Attributes:
        to: What it points to.
        tag: ``user``, ``percpu`` or ``rcu`` where BTF or the text says so.
    """

    to: CType
    tag: str = field(default="", compare=False)
    alias: str = field(default="", compare=False)
    size = POINTER_SIZE
    align = POINTER_SIZE
    complete = True

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or declared(self, "")


@dataclass(frozen=True, slots=True)
class Array:
    """An array; ``count`` is None for one without a length, such as a flexible member."""

    of: CType
    count: int | None
    alias: str = field(default="", compare=False)

    @property
    def size(self) -> int:
        """In bytes.

        Raises:
            TypeProblem: It has no length.
        """
        if self.count is None:
            raise TypeProblem(f"'{self.spelling}' has no size: it is an array without a length")
        return self.count * self.of.size

    @property
    def align(self) -> int:
        """In bytes."""
        return self.of.align

    @property
    def complete(self) -> bool:
        """Whether its length is known."""
        return self.count is not None

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or declared(self, "")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a function; without a name in most prototypes."""

    name: str
    type: CType


@dataclass(frozen=True, slots=True)
class FunctionType:
    """The type of a function; ``parameters`` is None where the text says nothing about them: ``f()``."""

    returns: CType
    parameters: tuple[Parameter, ...] | None
    variadic: bool = False
    alias: str = field(default="", compare=False)
    size = 1
    align = 1
    complete = False

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or declared(self, "")


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a struct or union.

    Attributes:
        name: "" for an anonymous struct or union, and for unnamed bits.
        type: Its type; of a bit field the declared one.
        bit_offset: From the start of the record, in bits; a multiple of 8 but for bit fields.
        bit_size: Width in bits of a bit field; 0 for an ordinary member.
    """

    name: str
    type: CType
    bit_offset: int
    bit_size: int = 0

    @property
    def offset(self) -> int:
        """From the start of the record in bytes, rounded down for a bit field."""
        return self.bit_offset // 8


@dataclass(frozen=True, slots=True)
class BitField:
    """How to reach a bit field: load ``unit`` bytes at ``offset``, shift right by ``shift``, keep ``width`` bits.

    ``unit`` is 1, 2, 4 or 8 and the unit lies inside of the record and is aligned as far as the
    record allows; only packed records can need other units, up to 9 bytes.
    """

    offset: int
    unit: int
    shift: int
    width: int


class Body:
    """What all handles of one struct or union share.

    A body is incomplete until it is defined. One that knows where its definition may be has a
    `load` that is asked once, when something first needs the members.

    Attributes:
        kind: ``struct`` or ``union``.
        tag: Its name; "" without.
        packed: Declared so: then Python must not add padding of its own.
        aliases: Names that kernel headers define as macros for a path of members: ``sk_state``
            to ``__sk_common.skc_state``.
        attributes: Further attributes of the definition, such as bcc's ``deprecated("packet")`` as ``packet``.
        own: The text defines it, or has begun to.
        suggest: Gives a hint for who needs its members while nobody defines it.
    """

    __slots__ = (
        "_align", "_complete", "_found", "_members", "_size", "aliases", "attributes", "kind", "load", "own", "packed", "suggest", "tag",
    )  # fmt: skip

    def __init__(self, kind: str, tag: str, load: Callable[[Body], None] | None = None) -> None:
        self.kind: str = kind
        self.tag: str = tag
        self.load = load
        self.packed: bool = False
        self.own: bool = False
        self.suggest: Callable[[], str] = str
        self.aliases: Mapping[str, str] = {}
        self.attributes: frozenset[str] = frozenset()
        self._complete = False
        self._members: tuple[Member, ...] = ()
        self._size = 0
        self._align = 1
        self._found: dict[str, Found | None] = {}

    def define(self, members: tuple[Member, ...], size: int, align: int) -> None:
        """Complete the record; what it was before, if anything, is forgotten."""
        self.load = None
        self._members, self._size, self._align = members, size, align
        self._complete = True
        self._found = {}

    def forget(self) -> None:
        """Make it incomplete: the text begins a definition of its own."""
        self.load = None
        self.aliases = {}
        self._complete = False
        self._found = {}

    def _loaded(self) -> None:
        load, self.load = self.load, None
        if load is not None:
            load(self)

    @property
    def complete(self) -> bool:
        """Whether its members are known."""
        self._loaded()
        return self._complete

    def layout(self) -> tuple[tuple[Member, ...], int, int]:
        """Members, size and alignment.

        Raises:
            TypeProblem: It is incomplete.
        """
        self._loaded()
        if not self._complete:
            name = f"{self.kind} {self.tag}".rstrip()
            raise TypeProblem(
                f"'{name}' is incomplete: neither the text nor the kernel's BTF defines it",
                self.suggest(),
            )
        return self._members, self._size, self._align

    def find(self, name: str) -> Found | None:
        """Find a member, as `find_member` says; the answer is kept."""
        if name not in self._found:
            self._found[name] = _search(self, name)
        return self._found[name]


@dataclass(frozen=True, slots=True)
class Record:
    """A struct or union."""

    body: Body
    alias: str = field(default="", compare=False)

    @property
    def kind(self) -> str:
        """``struct`` or ``union``."""
        return self.body.kind

    @property
    def tag(self) -> str:
        """Its name; "" without."""
        return self.body.tag

    @property
    def members(self) -> tuple[Member, ...]:
        """Members in order, unnamed ones included.

        Raises:
            TypeProblem: It is incomplete; so with `size` and `align`.
        """
        return self.body.layout()[0]

    @property
    def size(self) -> int:
        """In bytes, padding at the end included."""
        return self.body.layout()[1]

    @property
    def align(self) -> int:
        """In bytes."""
        return self.body.layout()[2]

    @property
    def complete(self) -> bool:
        """Whether its members are known; asking may look them up in BTF."""
        return self.body.complete

    @property
    def spelling(self) -> str:
        """As the text wrote it."""
        return self.alias or (f"{self.kind} {self.tag}" if self.tag else f"{self.kind} {{...}}")


CType: TypeAlias = Void | Int | Bool | Float | Enum | Pointer | Array | Record | FunctionType


@dataclass(frozen=True, slots=True)
class Found:
    """A member that was looked up by name, perhaps inside of anonymous records.

    Attributes:
        type: Of the member.
        bit_offset: From the start of the record that was asked.
        bit_size: Width of a bit field, else 0.
        size: Of the record that was asked, in bytes: no unit of a bit field may pass its end.
    """

    name: str
    type: CType
    bit_offset: int
    bit_size: int
    size: int

    @property
    def offset(self) -> int:
        """From the start of the record in bytes, rounded down for a bit field."""
        return self.bit_offset // 8

    @property
    def bit_field(self) -> BitField | None:
        """How to reach it if it is a bit field."""
        return bit_field(self.bit_offset, self.bit_size, self.size) if self.bit_size else None


_RANKS = {
    "_Bool": 0,
    "char": 1,
    "short": 2,
    "int": 3,
    "unsigned": 3,
    "long": 4,
    "long long": 5,
    "__int128": 6,
}

VOID = Void()
BOOL = Bool()
CHAR = Int("char", 1, signed=True)
SIGNED_CHAR = Int("signed char", 1, signed=True)
UNSIGNED_CHAR = Int("unsigned char", 1, signed=False)
SHORT = Int("short", 2, signed=True)
UNSIGNED_SHORT = Int("unsigned short", 2, signed=False)
INT = Int("int", 4, signed=True)
UNSIGNED_INT = Int("unsigned int", 4, signed=False)
LONG = Int("long", 8, signed=True)
UNSIGNED_LONG = Int("unsigned long", 8, signed=False)
LONG_LONG = Int("long long", 8, signed=True)
UNSIGNED_LONG_LONG = Int("unsigned long long", 8, signed=False)
INT128 = Int("__int128", 16, signed=True)
UNSIGNED_INT128 = Int("unsigned __int128", 16, signed=False)
SIZE_T = replace(UNSIGNED_LONG, alias="size_t")
VOID_POINTER = Pointer(VOID)

_SIGNED = (SIGNED_CHAR, SHORT, INT, LONG, LONG_LONG, INT128)
_UNSIGNED = (
    UNSIGNED_CHAR, UNSIGNED_SHORT, UNSIGNED_INT, UNSIGNED_LONG, UNSIGNED_LONG_LONG, UNSIGNED_INT128,
)  # fmt: skip
_UNSIGNED_OF = {signed.name: unsigned for signed, unsigned in zip(_SIGNED, _UNSIGNED, strict=True)}
_ENUM_INTS = {
    (size, each.signed): each
    for size, each in (
        (1, SIGNED_CHAR), (1, UNSIGNED_CHAR), (2, SHORT), (2, UNSIGNED_SHORT),
        (4, INT), (4, UNSIGNED_INT), (8, LONG), (8, UNSIGNED_LONG),
    )
}  # fmt: skip


def integer(size: int, *, signed: bool) -> Int:
    """The plain integer type of a size: 1, 2, 4, 8 (``long``) or 16 bytes."""
    if size == 16:
        return INT128 if signed else UNSIGNED_INT128
    return _ENUM_INTS[size, signed]


def named(ctype: CType, alias: str) -> CType:
    """The same type, spelled as a typedef's name."""
    return replace(ctype, alias=alias)


def plain(ctype: CType) -> CType:
    """The same type without the name of a typedef."""
    return replace(ctype, alias="") if ctype.alias else ctype


def is_integer(ctype: CType) -> bool:
    """Whether it is an integer type: bools and enums too."""
    return isinstance(ctype, Int | Bool | Enum)


def is_scalar(ctype: CType) -> bool:
    """Whether a value of it fits a register and can be a condition."""
    return isinstance(ctype, Int | Bool | Enum | Pointer)


def decayed(ctype: CType) -> CType:
    """What an array or function becomes in an expression: a pointer; others stay."""
    if isinstance(ctype, Array):
        return Pointer(ctype.of)
    return Pointer(ctype) if isinstance(ctype, FunctionType) else ctype


def promoted(ctype: Int | Bool | Enum, bit_size: int = 0) -> Int:
    """The integer promotions.

    Args:
        ctype: The type of the operand.
        bit_size: Its width where it is a bit field: one of at most 32 bits becomes ``int`` or ``unsigned
            int``, a wider one keeps its type, as clang does.
    """
    if isinstance(ctype, Bool):
        return INT
    held = ctype.underlying if isinstance(ctype, Enum) else ctype
    if bit_size and bit_size <= INT.bits:
        return INT if held.signed or bit_size < INT.bits else UNSIGNED_INT
    return INT if held.size < INT.size else held


def common(left: Int | Bool | Enum, right: Int | Bool | Enum) -> Int:
    """The usual arithmetic conversions of two integer operands."""
    first, second = promoted(left), promoted(right)
    if first == second:
        return first
    if first.signed == second.signed:
        return first if first.rank >= second.rank else second
    unsigned, signed = (second, first) if first.signed else (first, second)
    if unsigned.rank >= signed.rank:
        return unsigned
    if signed.size > unsigned.size:
        return signed
    return _UNSIGNED_OF[signed.name]


def bit_field(bit_offset: int, width: int, record_size: int) -> BitField:
    """Find the unit to load for a bit field: the smallest aligned one that holds it.

    Args:
        bit_offset: From the start of the record.
        width: In bits.
        record_size: In bytes; the unit must not pass its end.
    """
    end = bit_offset + width
    for unit in (1, 2, 4, 8):
        offset = bit_offset // (8 * unit) * unit
        if end <= 8 * (offset + unit) and offset + unit <= record_size:
            return BitField(offset, unit, bit_offset - 8 * offset, width)
    first, last = bit_offset // 8, (end + 7) // 8
    for unit in (1, 2, 4, 8):
        offset = min(first, record_size - unit)
        if unit >= last - first and offset >= 0 and last <= offset + unit:
            return BitField(offset, unit, bit_offset - 8 * offset, width)
    return BitField(first, last - first, bit_offset - 8 * first, width)


def find_member(record: Record, name: str) -> Found | None:
    """Find a member by its name, through anonymous structs and unions and the kernel's own aliases.

    Raises:
        TypeProblem: The record is incomplete.
    """
    return record.body.find(name)


def _search(body: Body, name: str) -> Found | None:
    size = body.layout()[1]
    found = _direct(body, name)
    if found is None and name in body.aliases:
        found = _along(body, body.aliases[name])
    return replace(found, name=name, size=size) if found else None


def _along(body: Body, path: str) -> Found | None:
    """Follow names joined by dots; None where one of them is missing."""
    at = 0
    found: Found | None = None
    for name in path.split("."):
        if found is not None:
            if not isinstance(found.type, Record):
                return None
            at, body = found.bit_offset, found.type.body
        step = _direct(body, name)
        if step is None:
            return None
        found = replace(step, bit_offset=at + step.bit_offset)
    return found


def _direct(body: Body, name: str) -> Found | None:
    members, size, _ = body.layout()
    for each in members:
        if each.name == name:
            return Found(name, each.type, each.bit_offset, each.bit_size, size)
    for each in members:
        if not each.name and isinstance(each.type, Record):
            inner = _direct(each.type.body, name)
            if inner:
                return replace(inner, bit_offset=each.bit_offset + inner.bit_offset)
    return None


def declared(ctype: CType, name: str) -> str:
    """The declaration of a name: ``char comm[16]``, ``int (*open)(struct inode *)``; ``""`` gives the type alone."""
    declarator = name
    while not ctype.alias:
        if isinstance(ctype, Pointer):
            star = "*" + declarator
            wraps = isinstance(ctype.to, Array | FunctionType) and not ctype.to.alias
            declarator = f"({star})" if wraps else star
            ctype = ctype.to
        elif isinstance(ctype, Array):
            count = "" if ctype.count is None else str(ctype.count)
            declarator = f"{declarator}[{count}]"
            ctype = ctype.of
        elif isinstance(ctype, FunctionType):
            declarator = f"{declarator}({_parameters(ctype)})"
            ctype = ctype.returns
        else:
            break
    space = "" if declarator[:1] in {"", "["} else " "
    return f"{ctype.spelling}{space}{declarator}"


def _parameters(function: FunctionType) -> str:
    if function.parameters is None:
        return ""
    words = [declared(each.type, each.name) for each in function.parameters]
    if function.variadic:
        words.append("...")
    return ", ".join(words) or "void"
