"""``Btf``: types by id and by name, sizes, and what a wrong name was perhaps meant to be."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, TypeVar

from syscast.btf import index, parse
from syscast.btf.blob import MemoryBlob
from syscast.btf.parse import KINDS
from syscast.btf.types import (
    Array,
    Const,
    DataSec,
    Enum,
    Float,
    Func,
    FuncProto,
    Int,
    Ptr,
    Restrict,
    Struct,
    Typedef,
    TypeTag,
    Var,
    Void,
    Volatile,
)
from syscast.errors import FormatError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from syscast.btf.blob import Blob
    from syscast.btf.types import BtfType, Kind

_Answer = TypeVar("_Answer")

POINTER_SIZE = 8
_MAX_CHAIN = 64  # libbpf's MAX_RESOLVE_DEPTH is 32
_MAX_SIZE = (1 << 32) - 1
_MAX_ALIGN = 16  # __int128
_CHAINED = (Typedef, Const, Volatile, Restrict, TypeTag)


class Btf:
    """The types of one kernel, module or object.

    A split BTF holds what a module adds to its ``base``: lower ids are the base's. Types are
    decoded when they are first asked for. A method that follows ids raises FormatError where they lead nowhere.

    Attributes:
        base: The BTF that this one continues, or None.
        name: ``vmlinux``, a module's name, or what the caller gave.
        start_id: The first id of its own.
        key: Tells this content from other content; "" where it came from ``from_bytes``.
    """

    def __init__(self, blob: Blob, *, base: Btf | None, name: str, key: str = "") -> None:
        """Read the header; ``from_bytes`` and ``syscast.btf.source`` are the ways in."""
        self.base = base
        self.name = name
        self.key = key
        self.start_id: int = len(base) if base else 1
        self._subject = f"btf '{name}'"
        self._blob = blob
        self._header = parse.parse_header(blob, self._subject)
        self._strings_start = base.string_end if base else 0
        self._index: index.Index | None = None
        self._types: dict[int, BtfType] = {0: Void()}
        self._strings: dict[int, str] = {0: ""}
        self._alignments: dict[int, int] = {}

    @classmethod
    def from_bytes(cls, data: bytes, *, base: Btf | None = None, name: str = "") -> Btf:
        """Parse BTF that is in memory.

        Raises:
            FormatError: The bytes are not BTF, or are cut off.
        """
        btf = cls(MemoryBlob(bytes(data)), base=base, name=name)
        btf._index = btf.build_index()
        return btf

    @property
    def string_end(self) -> int:
        """One more than the greatest offset of a string, this BTF's and its base's."""
        return self._strings_start + self._header.string_size

    def use_index(self, made: index.Index) -> None:
        """Take an index from elsewhere; it is built anew should it turn out to be corrupt."""
        self._index = made

    def build_index(self) -> index.Index:
        """Walk over all types and build the index in memory."""
        image, shape = self.index_image()
        return index.Index(MemoryBlob(image), shape)

    def index_image(self) -> tuple[bytes, index.Shape]:
        """Walk over all types, check them, and return the index as bytes.

        Raises:
            FormatError: The bytes are not BTF.
        """
        header = self._header
        parse.check_strings(self._blob, header, self._subject, split=self.base is not None)
        section = self._blob.read(header.type_offset, header.type_size)
        strings = self._blob.read(header.string_offset, header.string_size)
        scan = parse.scan(section, self.string_end, self._subject)
        start = self._strings_start

        def name_at(offset: int) -> bytes:
            if offset < start:
                return self._string(offset)
            return strings[offset - start : strings.find(0, offset - start)]

        return index.build(scan, name_at)

    def __repr__(self) -> str:
        return f"<Btf {self.name!r}, ids {self.start_id}..{len(self) - 1}>"

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        """One more than the greatest id; ``range(1, len(btf))`` are all ids but ``void``."""
        return self.start_id + self._get_index().shape.count

    def type(self, type_id: int) -> BtfType:
        """Return the type with this id.

        Raises:
            FormatError: There is no such id, or its bytes are wrong.
        """
        found = self._types.get(type_id)
        if found is None:
            if self.base is not None and type_id < self.start_id:
                return self.base.type(type_id)
            found = self._types[type_id] = parse.decode(self._raw(type_id), self.string)
        return found

    def string(self, offset: int) -> str:
        """Return a string by its offset in the string sections of base and own.

        Raises:
            FormatError: There is no string, or it is not UTF-8.
        """
        text = self._strings.get(offset)
        if text is None:
            try:
                text = self._string(offset).decode()
            except UnicodeDecodeError:
                raise FormatError(f"{self._subject}: string at {offset} is not UTF-8") from None
            self._strings[offset] = text
        return text

    def find(self, name: str, kind: Kind) -> int | None:
        """Return the id of the type with this name and class, its own before the base's.

        Args:
            name: The name alone: ``sock``, not ``struct sock``.
            kind: A class of ``syscast.btf.types``, such as ``Struct`` (unions too) or ``Func``.
        """
        for type_id in self._find(name.encode(), KINDS[kind]):
            return type_id
        return self.base.find(name, kind) if self.base else None

    def find_all(self, name: str, kind: Kind | None = None) -> list[int]:
        """Return every id with this name, and class if one is given, its own before the base's."""
        found = list(self._find(name.encode(), KINDS[kind] if kind else None))
        return found + (self.base.find_all(name, kind) if self.base else [])

    def candidates(self, name: str) -> Iterator[int]:
        """Yield the ids, its own only, of the types called ``name`` when flavours do not count.

        These are the candidates of a CO-RE relocation: see ``syscast.btf.relocate``.
        """
        raw = name.encode()
        wanted = index.essential(raw)
        for _, number in self._ask(lambda made: made.candidates(raw)):
            if index.essential(self._raw_name(number)) == wanted:
                yield self.start_id + number

    def names(self, kind: Kind) -> Iterator[str]:
        """Yield the names of all types of this class, the base's first, each once per BTF."""
        if self.base:
            yield from self.base.names(kind)
        seen = set()
        for _, name in self._named(KINDS[kind]):
            if name not in seen:
                seen.add(name)
                yield name.decode(errors="replace")

    def names_like(
        self, pattern: str, kind: Kind, without: Container[str] = frozenset()
    ) -> list[str]:
        """Names of all types of this class, its own only, that match as a whole; sorted.

        Much faster than `names` where few match: the strings are searched, not the types.

        Args:
            pattern: A regular expression that matches no NUL.
            kind: The class.
            without: Names that are of no interest; they cost nothing.
        """
        import re  # noqa: PLC0415 - not to find one name

        strings = self._blob.read(self._header.string_offset, self._header.string_size)
        found = re.findall(rb"(?<=\0)(?:" + pattern.encode() + rb")(?=\0)", strings)
        names = {each.decode(errors="replace") for each in found if each}
        return sorted(
            name for name in names if name not in without and self.find(name, kind) is not None
        )

    def ids(self, kind: Kind) -> Iterator[int]:
        """Yield the ids of all named types of this class, its own only."""
        for number, _ in self._named(KINDS[kind]):
            yield self.start_id + number

    def with_enumerator(self, name: str) -> Iterator[int]:
        """Yield the ids of enums, named or not, that have an enumerator of this name.

        Looks for the name's offset in the types' bytes, since the index knows types only.
        """
        header = self._header
        strings = self._blob.read(header.string_offset, header.string_size)
        found = strings.find(b"\0" + name.encode() + b"\0")
        if found >= 0:
            section = self._blob.read(header.type_offset, header.type_size)
            offsets = self._ask(lambda made: made.offsets())
            wanted = (found + 1 + self._strings_start).to_bytes(4, "little")
            place = section.find(wanted)
            while place >= 0:
                if place % 4 == 0:
                    type_id = self.start_id + bisect_right(offsets, place) - 1
                    held = self.type(type_id)
                    if isinstance(held, Enum) and any(each.name == name for each in held.values):
                        yield type_id
                place = section.find(wanted, place + 1)
        if self.base:
            yield from self.base.with_enumerator(name)

    def near(self, name: str, kind: Kind, n: int = 3) -> list[str]:
        """Return up to ``n`` names of this class that read like ``name``, best first."""
        from syscast.btf.near import nearest  # noqa: PLC0415 - only errors need it

        return nearest(name, self.names(kind), n)

    def function(self, name: str) -> tuple[int, FuncProto]:
        """Return the id of a function and its prototype.

        Raises:
            TargetError: There is no such function in this BTF; ``near`` holds similar names.
        """
        func_id = self.find(name, Func)
        if func_id is None:
            raise TargetError(
                f"function '{name}': look up: no function of this name in the BTF of {self.name}",
                self.near(name, Func),
            )
        func = self.type(func_id)
        proto = self.type(self.resolve(func.type_id)) if isinstance(func, Func) else func
        if not isinstance(proto, FuncProto):
            raise FormatError(f"{self._subject}: function '{name}' has no prototype")
        return func_id, proto

    def resolve(self, type_id: int) -> int:
        """Strip typedefs, ``const``, ``volatile``, ``restrict`` and type tags."""
        for _ in range(_MAX_CHAIN):
            found = self.type(type_id)
            if not isinstance(found, _CHAINED):
                return type_id
            type_id = found.type_id
        raise FormatError(f"{self._subject}: type {type_id}: the chain of modifiers never ends")

    def size_of(self, type_id: int) -> int:
        """Return the size in bytes.

        Raises:
            TargetError: The type has none: ``void``, a function, a struct only declared.
        """
        count = 1
        for _ in range(_MAX_CHAIN):
            found = self.type(type_id)
            match found:
                case Int(size=size) | Struct(size=size) | Enum(size=size) | Float(size=size):
                    return self._checked_size(size * count)
                case DataSec(size=size):
                    return size
                case Ptr():
                    return self._checked_size(POINTER_SIZE * count)
                case Array(element_id=type_id, count=elements):
                    count *= elements
                case _ if isinstance(found, (*_CHAINED, Var)):
                    type_id = found.type_id
                case _:
                    raise TargetError(f"type {type_id} in '{self.name}': size: it has no size")
        raise FormatError(f"{self._subject}: type {type_id}: the type contains itself")

    def align_of(self, type_id: int) -> int:
        """Return the alignment in bytes; 1 for packed structs and for what has none."""
        return self._align_of(type_id, 0)

    def _checked_size(self, size: int) -> int:
        if size > _MAX_SIZE:
            raise FormatError(f"{self._subject}: an array is larger than 4 GiB")
        return size

    def _align_of(self, type_id: int, depth: int) -> int:
        known = self._alignments.get(type_id)
        if known is not None:
            return known
        if depth > _MAX_CHAIN:
            raise FormatError(f"{self._subject}: type {type_id}: the type contains itself")
        align = 1
        found = self.type(type_id)
        match found:
            case Int(size=size) | Enum(size=size) | Float(size=size):
                align = min(size, _MAX_ALIGN) or 1
            case Ptr():
                align = POINTER_SIZE
            case Array(element_id=inner):
                align = self._align_of(inner, depth + 1)
            case Struct():
                align = self._align_of_struct(found, depth)
            case _ if isinstance(found, (*_CHAINED, Var)):
                align = self._align_of(found.type_id, depth + 1)
            case _:
                pass
        self._alignments[type_id] = align
        return align

    def _align_of_struct(self, struct: Struct, depth: int) -> int:
        widest = 1
        for member in struct.members:
            align = self._align_of(member.type_id, depth + 1)
            if not member.bitfield_size and member.bit_offset % (8 * align):
                return 1
            widest = max(widest, align)
        return 1 if struct.size % widest else widest

    def _get_index(self) -> index.Index:
        if self._index is None:
            self._index = self.build_index()
        return self._index

    def _ask(self, question: Callable[[index.Index], _Answer]) -> _Answer:
        """Ask the index; where its file turns out to be corrupt, build one in memory."""
        try:
            return question(self._get_index())
        except FormatError:
            self._index = self.build_index()
            return question(self._index)

    def _raw(self, type_id: int) -> bytes:
        number = type_id - self.start_id
        if not 0 <= number < self._get_index().shape.count:
            raise FormatError(f"{self._subject}: type {type_id}: there is no such id")
        start, end = self._ask(lambda made: made.extent(number))
        return self._blob.read(self._header.type_offset + start, end - start)

    def _string(self, offset: int) -> bytes:
        at = offset - self._strings_start
        if 0 <= at < self._header.string_size:
            return self._blob.cstring(self._header.string_offset + at)
        if at < 0 <= offset and self.base is not None:
            return self.base._string(offset)  # noqa: SLF001 - another Btf
        raise FormatError(f"{self._subject}: there is no string at {offset}")

    def _raw_name(self, number: int) -> bytes:
        start, _ = self._ask(lambda made: made.extent(number))
        raw = self._blob.read(self._header.type_offset + start, 8)
        return self._string(parse.name_and_kind(raw)[0])

    def _find(self, name: bytes, kinds: frozenset[int] | None) -> Iterator[int]:
        for kind, number in self._ask(lambda made: made.candidates(name)):
            if (kinds is None or kind in kinds) and self._raw_name(number) == name:
                yield self.start_id + number

    def _named(self, kinds: frozenset[int]) -> Iterator[tuple[int, bytes]]:
        """Yield (number, name) of every named type of these kinds."""
        named = self._ask(lambda made: made.all_named())
        offsets = self._ask(lambda made: made.offsets())
        header = self._header
        section = memoryview(self._blob.read(header.type_offset, header.type_size)).cast("I")
        strings = self._blob.read(header.string_offset, header.string_size)
        for number, kind in named:
            if kind in kinds:
                at = section[offsets[number] // 4] - self._strings_start
                if at < 0:
                    yield number, self._string(at + self._strings_start)
                else:
                    yield number, strings[at : strings.find(0, at)]
