"""Debug info as LLVM metadata, from which LLVM's BPF back end writes .BTF and .BTF.ext.

Kernel structs are pruned: each has its name, size and only the members that the program uses, at
their offsets, so that a path into it is renumbered. That is what CO-RE needs (libbpf looks the
members up by name), and it keeps objects small. What a pointer points to is left out.
The text of each source file goes along (``source:``), so compiling reads no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from syscast.btf import types
from syscast.codegen.metadata import Metadata, quoted
from syscast.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syscast.btf.lookup import Btf
    from syscast.diagnostics import Span
    from syscast.ir.ops import FieldRef
    from syscast.ir.program import Function, Program
    from syscast.spec.objectspec import MapSpec

_NOWHERE = "syscast"
_MAX_COLUMN = 1023  # line and column share 32 bits in struct bpf_line_info

MAP_TYPES = (
    *("unspec", "hash", "array", "prog_array", "perf_event_array", "percpu_hash", "percpu_array"),
    *("stack_trace", "cgroup_array", "lru_hash", "lru_percpu_hash", "lpm_trie", "array_of_maps"),
    *("hash_of_maps", "devmap", "sockmap", "cpumap", "xskmap", "sockhash", "cgroup_storage"),
    *("reuseport_sockarray", "percpu_cgroup_storage", "queue", "stack", "sk_storage"),
    *("devmap_hash", "struct_ops", "ringbuf", "inode_storage", "task_storage", "bloom_filter"),
    *("user_ringbuf", "cgrp_storage", "arena"),
)
"""``enum bpf_map_type`` in order (include/uapi/linux/bpf.h)."""

_TYPED = frozenset({"sk_storage", "inode_storage", "task_storage", "cgrp_storage"})


class DebugInfo:
    """The debug info of one module.

    Args:
        program: Its sources and the names of its functions.
        btf: Where the kernel's structs are.
    """

    def __init__(self, program: Program, btf: Btf) -> None:
        self.metadata: Metadata = Metadata()
        self._sources = program.sources
        self._btf = btf
        self._used: dict[int, set[int]] = {}
        self._enumerators: set[str] = set()
        self._globals: list[str] = []
        self._files: dict[str, str] = {}
        self._unit_at = ""
        self._file_of_unit = self._file(next(iter(program.sources), _NOWHERE))
        # The unit lists the globals, which are known last: it refers to a node kept for them.
        self._unit_at = self.metadata.add(
            f"!DICompileUnit(language: DW_LANG_C99, file: {self._file_of_unit},"
            ' producer: "syscast", isOptimized: true, emissionKind: FullDebug,'
            " globals: !GLOBALS)",
            distinct=True,
        )

    def unrolled_loop(self) -> str:
        """A node that asks LLVM to unroll the loop whose last jump has it."""
        loop = self.metadata.reserve()
        wish = self.metadata.add('!{!"llvm.loop.unroll.enable"}')
        self.metadata.define(loop, f"!{{{loop}, {wish}}}")
        return loop

    # ------------------------------------------------------------ places

    def _file(self, name: str) -> str:
        known = self._files.get(name)
        if known is None:
            source = quoted(self._sources.get(name, ""))
            known = self._files[name] = self.metadata.add(
                f"!DIFile(filename: {quoted(name)}, directory: {quoted('')}, source: {source})"
            )
        return known

    def subprogram(self, function: Function) -> str:
        """The node of a function."""
        file = self._file(function.span.file) if function.span else self._file_of_unit
        line = function.span.line if function.span else 0
        long = self._int("long", 64)
        if function.context is not None:
            returns, arguments = self._int("int", 32), [("ctx", self._pointer())]
        else:
            returns = long if function.returns else "null"
            arguments = [(f"a{number}", long) for number in range(len(function.parameters))]
        signature = self.metadata.tuple([returns, *(type_ for _, type_ in arguments)])
        types_ = self.metadata.add(f"!DISubroutineType(types: {signature})")
        static = "" if function.context is not None else "DISPFlagLocalToUnit | "
        node = self.metadata.reserve()
        # The kernel takes no BTF function whose arguments have no names.
        names = [
            self.metadata.add(
                f"!DILocalVariable(name: {quoted(name)}, arg: {number}, scope: {node},"
                f" file: {file}, line: {line}, type: {type_})"
            )
            for number, (name, type_) in enumerate(arguments, 1)
        ]
        self.metadata.define(
            node,
            f"!DISubprogram(name: {quoted(function.name)}, scope: {file}, file: {file},"
            f" line: {line}, type: {types_}, scopeLine: {line}, flags: DIFlagPrototyped,"
            f" spFlags: {static}DISPFlagDefinition | DISPFlagOptimized, unit: {self._unit_at},"
            f" retainedNodes: {self.metadata.tuple(names)})",
        )
        return node

    def location(self, span: Span | None, function: Function, subprogram: str) -> str:
        """The node of a place inside a function; another file than the function's is a block."""
        if span is None:
            line = function.span.line if function.span else 0
            return self.metadata.add(f"!DILocation(line: {line}, column: 0, scope: {subprogram})")
        scope = subprogram
        if function.span is None or span.file != function.span.file:
            scope = self.metadata.add(
                f"!DILexicalBlockFile(scope: {subprogram}, file: {self._file(span.file)},"
                " discriminator: 0)"
            )
        column = min(span.column, _MAX_COLUMN)
        return self.metadata.add(
            f"!DILocation(line: {span.line}, column: {column}, scope: {scope})"
        )

    # ------------------------------------------------------------ kernel types

    def note_field(self, field: FieldRef) -> None:
        """Say that a member is used; every use must be noted before the first `kernel_type`."""
        at = field.root
        for number in field.path:
            at = self._btf.resolve(at)
            found = self._btf.type(at)
            if isinstance(found, types.Struct):
                self._used.setdefault(at, set()).add(number)
                at = found.members[number].type_id
            elif isinstance(found, types.Array):
                at = found.element_id
            else:
                raise InternalError(f"field '{field.name}': no such path in type {field.root}")

    def note_enumerator(self, name: str) -> None:
        """Say that a helper's enumerator (``BPF_FUNC_...``) is used."""
        self._enumerators.add(name)

    def access(self, field: FieldRef) -> str:
        """The field's CO-RE access string in the pruned types."""
        steps = ["0"]
        at = field.root
        for number in field.path:
            at = self._btf.resolve(at)
            found = self._btf.type(at)
            if isinstance(found, types.Struct):
                steps.append(str(sorted(self._used[at]).index(number)))
                at = found.members[number].type_id
            else:
                steps.append(str(number))
                at = found.element_id if isinstance(found, types.Array) else 0
        return ":".join(steps)

    def helper_enum(self, name: str) -> tuple[str, int]:
        """``enum bpf_func_id`` with the noted enumerators, and the index of one of them."""
        from syscast.ir.helpers import HELPERS  # noqa: PLC0415 - only programs with guards

        known = sorted(self._enumerators)
        values = [
            self.metadata.add(
                f"!DIEnumerator(name: {quoted('BPF_FUNC_' + each)},"
                f" value: {HELPERS[each].number}, isUnsigned: true)"
            )
            for each in known
        ]
        node = self.metadata.add(
            '!DICompositeType(tag: DW_TAG_enumeration_type, name: "bpf_func_id",'
            f" size: 32, elements: {self.metadata.tuple(values)})"
        )
        return node, known.index(name)

    def kernel_type(self, type_id: int) -> str:
        """The node of a type from BTF, pruned; ``null`` for void."""
        at = self._btf.resolve(type_id)
        found = self._btf.type(at)
        match found:
            case types.Struct():
                node = self._struct(at, found)
            case types.Array():
                node = self._array(found)
            case types.Ptr():
                node = self._pointer()
            case types.Int() | types.Float():
                node = self._basic(found)
            case types.Enum():
                node = self._enum(found, [])
            case _:
                node = "null"
        return node

    def enum_value(self, type_id: int, enumerator: str) -> tuple[str, int, int]:
        """An enum with one enumerator: its node, the index 0 and the value."""
        found = self._btf.type(self._btf.resolve(type_id))
        if not isinstance(found, types.Enum):
            raise InternalError(f"enumerator '{enumerator}': type {type_id} is not an enum")
        value = next(each.value for each in found.values if each.name == enumerator)
        unsigned = "" if found.signed else ", isUnsigned: true"
        item = self.metadata.add(
            f"!DIEnumerator(name: {quoted(enumerator)}, value: {value}{unsigned})"
        )
        return self._enum(found, [item]), 0, value

    def _enum(self, found: types.Enum, items: list[str]) -> str:
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_enumeration_type, {_named(found.name)}"
            f"size: {found.size * 8}, elements: {self.metadata.tuple(items)})"
        )

    def _basic(self, found: types.Int | types.Float) -> str:
        if isinstance(found, types.Float):
            encoding = "float"
        else:
            encoding = "boolean" if found.bool else "signed" if found.signed else "unsigned"
            encoding += "_char" if found.char else ""
        return self.metadata.add(
            f"!DIBasicType({_named(found.name)}size: {found.size * 8}, encoding: DW_ATE_{encoding})"
        )

    def _struct(self, type_id: int, found: types.Struct) -> str:
        members = [
            self._member(found.members[number]) for number in sorted(self._used.get(type_id, ()))
        ]
        tag = "union" if found.is_union else "structure"
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_{tag}_type, {_named(found.name)}"
            f"file: {self._file(_NOWHERE)}, size: {found.size * 8},"
            f" elements: {self.metadata.tuple(members)})"
        )

    def _member(self, member: types.Member) -> str:
        size = member.bitfield_size or self._btf.size_of(member.type_id) * 8
        bits = ", flags: DIFlagBitField, extraData: i64 0" if member.bitfield_size else ""
        return self.metadata.add(
            f"!DIDerivedType(tag: DW_TAG_member, {_named(member.name)}"
            f"baseType: {self.kernel_type(member.type_id)}, size: {size},"
            f" offset: {member.bit_offset}{bits})"
        )

    def _array(self, found: types.Array) -> str:
        counts = [found.count]
        element = found.element_id
        while isinstance(inner := self._btf.type(self._btf.resolve(element)), types.Array):
            counts.append(inner.count)
            element = inner.element_id
        ranges = [self.metadata.add(f"!DISubrange(count: {count})") for count in counts]
        size = self._btf.size_of(element)
        for count in counts:
            size *= count
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: {self.kernel_type(element)},"
            f" size: {size * 8}, elements: {self.metadata.tuple(ranges)})"
        )

    # ------------------------------------------------------------ our own globals

    def map_definition(self, spec: MapSpec) -> str:
        """The node of a map's variable, whose type says what the map is, as in libbpf's maps."""
        return self._global(spec.name, self._map_struct(spec))

    def _map_struct(self, spec: MapSpec) -> str:
        members: list[str] = []
        for name, number in map_numbers(spec).items():
            pointer = self._pointer(self._bytes(number, "int", 32))
            members.append(
                f"!DIDerivedType(tag: DW_TAG_member, name: {quoted(name)},"
                f" baseType: {pointer}, size: 64, offset: {len(members) * 64})"
            )
        if spec.type in _TYPED:
            # The kernel wants these described: a key of 32 bits, and a value of any type.
            described = {
                "key": self._int("int", 32),
                "value": self._bytes(spec.value_size, "unsigned char", 8),
            }
            for name, type_ in described.items():
                members.append(
                    f"!DIDerivedType(tag: DW_TAG_member, name: {quoted(name)},"
                    f" baseType: {self._pointer(type_)}, size: 64, offset: {len(members) * 64})"
                )
        size = len(members) * 64
        if spec.inner is not None:
            # libbpf's __array(values, ...): as many pointers as are filled from the start.
            element = self._pointer(self._map_struct(spec.inner))
            range_ = self.metadata.add(f"!DISubrange(count: {len(spec.slots)})")
            values = self.metadata.add(
                f"!DICompositeType(tag: DW_TAG_array_type, baseType: {element},"
                f" size: {len(spec.slots) * 64}, elements: {self.metadata.tuple([range_])})"
            )
            members.append(
                f'!DIDerivedType(tag: DW_TAG_member, name: "values", baseType: {values},'
                f" size: {len(spec.slots) * 64}, offset: {size})"
            )
            size += len(spec.slots) * 64
        refs = [self.metadata.add(each) for each in members]
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_structure_type, file: {self._file(_NOWHERE)},"
            f" size: {size}, elements: {self.metadata.tuple(refs)})"
        )

    def data_definition(self, name: str, size: int) -> str:
        """The node of a byte array in a data section."""
        return self._global(name, self._bytes(size, "unsigned char", 8))

    def finish(self, flags: Iterable[str]) -> list[str]:
        """Every line of metadata."""
        globals_ = self.metadata.tuple(self._globals)
        flag_nodes = ", ".join(self.metadata.add(flag) for flag in flags)
        lines = [
            f"!llvm.dbg.cu = !{{{self._unit_at}}}",
            f"!llvm.module.flags = !{{{flag_nodes}}}",
        ]
        return lines + [line.replace("!GLOBALS", globals_) for line in self.metadata.lines()]

    def _global(self, name: str, type_: str) -> str:
        variable = self.metadata.add(
            f"!DIGlobalVariable(name: {quoted(name)}, scope: {self._unit_at},"
            f" file: {self._file_of_unit}, line: 0, type: {type_}, isLocal: false,"
            " isDefinition: true)",
            distinct=True,
        )
        node = self.metadata.add(
            f"!DIGlobalVariableExpression(var: {variable}, expr: !DIExpression())"
        )
        self._globals.append(node)
        return node

    def _bytes(self, count: int, element: str, bits: int) -> str:
        range_ = self.metadata.add(f"!DISubrange(count: {count})")
        base = self._int(element, bits)
        return self.metadata.add(
            f"!DICompositeType(tag: DW_TAG_array_type, baseType: {base}, size: {count * bits},"
            f" elements: {self.metadata.tuple([range_])})"
        )

    def _int(self, name: str, bits: int) -> str:
        encoding = "unsigned_char" if name == "unsigned char" else "signed"
        return self.metadata.add(
            f"!DIBasicType(name: {quoted(name)}, size: {bits}, encoding: DW_ATE_{encoding})"
        )

    def _pointer(self, base: str = "null") -> str:
        return self.metadata.add(
            f"!DIDerivedType(tag: DW_TAG_pointer_type, baseType: {base}, size: 64)"
        )


def map_numbers(spec: MapSpec) -> dict[str, int]:
    """The members of a map's definition that are numbers; each takes one pointer of room."""
    numbers = {
        "type": MAP_TYPES.index(spec.type),
        "key_size": 0 if spec.type in _TYPED else spec.key_size,
        # The kernel knows what a map of maps holds; libbpf refuses another size than its own.
        "value_size": 0 if spec.inner or spec.type in _TYPED else spec.value_size,
        "max_entries": spec.max_entries,
        "map_flags": spec.flags,
    }
    return {name: number for name, number in numbers.items() if number}


def _named(name: str) -> str:
    return f"name: {quoted(name)}, " if name else ""
