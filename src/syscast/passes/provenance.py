"""Decides what C's pointers point to: AnyLoad and AnyCopy -> plain loads and copies, or probe reads.

When: first; what it makes are primitives and ops of the passes behind it.
Why: C text reads kernel memory as if it were its own. What the program owns (its stack, maps' values, records,
the context, a packet) and what the verifier knows by its BTF type is loaded plainly, as the verifier
demands of the first and allows of the second. All else is read by a helper, which gives zeros on a fault.
How: `originflow` says where each pointer comes from. Where that is several places at once, the helper reads
it: it reads the stack and maps, too. What helpers read through kernel pointers (a map's key) is copied first. A
store through a kernel pointer is an error of the text.
The helper is bpf_probe_read, which takes kernel and user addresses where the two cannot be mistaken for each
other (x86, arm64: CONFIG_ARCH_HAS_NON_OVERLAPPING_ADDRESS_SPACE); programs on packets, and other machines, have
bpf_probe_read_kernel alone. Both clear what they could not read. The context of some programs is not
what the kernel has (`ProgramContext.converted`), so it is copied word by word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from syscast.diagnostics import CompileError, Diagnostic, Span
from syscast.ir import ops
from syscast.ir.helpers import HELPERS, Arg
from syscast.ir.ops import BinaryOp
from syscast.ir.types import I64, U8, U16, U32, U64, Const, PtrType, Reg, Space
from syscast.passes.editor import Editor
from syscast.passes.originflow import OriginFlow
from syscast.passes.origins import Kind
from syscast.passes.sites import Sites

if TYPE_CHECKING:
    from syscast.btf.lookup import Btf
    from syscast.ir.ops import Op
    from syscast.ir.program import Function, Program
    from syscast.ir.types import Value
    from syscast.passes.origins import Origin
    from syscast.spec.objectspec import MapSpec

_GUESSES_SPACE = frozenset({"x86_64", "aarch64"})
_PLAIN = frozenset({Kind.STACK, Kind.OWN, Kind.PACKET})
_NOT_WRITABLE = frozenset({Kind.FOREIGN, Kind.TYPED, Kind.NONE})
_LOWERED = (ops.AnyLoad, ops.AnyCopy)
_WORDS = {1: U8, 2: U16, 4: U32}
_ROOM = "@any"
_MOST_COPIED = 4096
"""Bytes that a helper's argument may have to be copied; a text that means more means something else."""


def run(program: Program, btf: Btf) -> Program:
    """Lower every access through a C pointer.

    Raises:
        CompileError: A store through a kernel pointer.
    """
    wanted = [_reads_anything(function) for function in program.functions]
    if not any(wanted):
        return program
    findings: list[Diagnostic] = []
    functions = [
        _lowered(function, program, btf, findings) if is_c else function
        for function, is_c in zip(program.functions, wanted, strict=True)
    ]
    if findings:
        raise CompileError(findings)
    return msgspec.structs.replace(program, functions=tuple(functions))


def _reads_anything(function: Function) -> bool:
    return function.context is not None and any(
        isinstance(op, _LOWERED)
        or (
            isinstance(op, _WRITES)
            and isinstance(op.ptr.type, PtrType)
            and op.ptr.type.space is Space.ANY
        )
        for block in function.blocks
        for op in block.ops
    )


_WRITES = (ops.Store, ops.AtomicAdd, ops.Atomic, ops.Fill)


def _lowered(
    function: Function, program: Program, btf: Btf, findings: list[Diagnostic]
) -> Function:
    flow = OriginFlow(function, btf)
    flow.settle()
    editor = Editor(function, btf, Sites(program.sites))
    rewriting = _Rewriting(editor, flow, program)
    editor.walk(rewriting.visit)
    findings += rewriting.findings
    return editor.finish()


class _Rewriting:
    """Puts plain accesses or helper calls in the place of C's."""

    def __init__(self, editor: Editor, flow: OriginFlow, program: Program) -> None:
        self._editor = editor
        self._flow = flow
        self._sources = program.sources
        context = editor.function.context
        self._converted = context is not None and context.converted
        guesses = program.arch in _GUESSES_SPACE and not self._converted
        self._helper = "probe_read" if guesses else "probe_read_kernel"
        self.findings: list[Diagnostic] = []
        specs = {spec.name: spec for spec in program.maps}
        self._maps: dict[Value, MapSpec | None] = {
            op.result: specs.get(op.map)
            for block in editor.function.blocks
            for op in block.ops
            if isinstance(op, ops.MapAddr)
        }
        self._copies = 0

    def visit(self, op: Op) -> bool:
        """Replace an op, or leave it; see `Editor.walk`."""
        match op:
            case ops.AnyLoad():
                self._load(op)
            case ops.AnyCopy():
                self._copy(op)
            case ops.Offset(delta=Reg()) if self._flow.of(op.ptr).kind is Kind.TYPED:
                self._offset(op)
            case ops.Load():
                return self._align(op)
            case ops.Helper():
                return self._helper_call(op)
            case ops.Store() | ops.AtomicAdd() | ops.Atomic() | ops.Fill():
                return self._write(op)
            case _:
                return False
        return True

    # ------------------------------------------------------------ reads

    def _load(self, op: ops.AnyLoad) -> None:
        origin = self._flow.of(op.ptr).moved(op.offset)
        plain = origin.kind in _PLAIN or self._flow.typed_load(origin, op.result) is not None
        if origin.kind is Kind.CTX:
            base, offset = self._context(op.ptr, op.offset, origin)
            self._editor.add(ops.Load(result=op.result, ptr=base, offset=offset))
        elif plain:
            align = _alignment(origin, op.align)
            load = ops.Load(result=op.result, ptr=op.ptr, offset=op.offset, align=align)
            self._editor.add(load)
        else:
            self._probe(op)

    def _context(self, ptr: Value, offset: int, origin: Origin) -> tuple[Value, int]:
        """The context itself and a constant offset, where that is known: the verifier takes no other."""
        if origin.offset is None:
            return ptr, offset
        return self._editor.context(), origin.offset

    def _probe(self, op: ops.AnyLoad) -> None:
        editor = self._editor
        made = op.result.type
        size = 8 if isinstance(made, PtrType) else max(1, made.bits // 8)
        room = editor.address(editor.slot(_ROOM, None, 8))
        self._read(room, size, op.ptr, op.offset)
        editor.load(room, made, into=op.result)

    def _read(self, to: Value, size: int, ptr: Value, offset: int) -> None:
        address = self._moved(ptr, offset)
        self._editor.helper_void(self._helper, to, Const(size, U64), address)

    def _moved(self, ptr: Value, offset: int) -> Value:
        if not offset:
            return ptr
        made = self._editor.register(ptr.type)
        self._editor.add(ops.Offset(result=made, ptr=ptr, delta=Const(offset, I64)))
        return made

    def _copy(self, op: ops.AnyCopy) -> None:
        self._refuse_foreign(op, op.dst)
        origin = self._flow.of(op.src).moved(op.src_offset)
        if origin.kind in _PLAIN:
            self._editor.add(
                ops.CopyBytes(
                    dst=op.dst,
                    src=op.src,
                    size=op.size,
                    dst_offset=op.dst_offset,
                    src_offset=op.src_offset,
                )
            )
        elif origin.kind is Kind.CTX and self._converted and origin.offset is not None:
            self._copy_words(op, origin.offset)
        else:
            self._read(self._moved(op.dst, op.dst_offset), op.size, op.src, op.src_offset)

    def _copy_words(self, op: ops.AnyCopy, start: int) -> None:
        editor = self._editor
        base = editor.context()
        done = 0
        while done < op.size:
            unit = next(
                each for each in (4, 2, 1) if each <= op.size - done and (start + done) % each == 0
            )
            value = editor.load(base, _WORDS[unit], start + done)
            editor.add(ops.Store(ptr=op.dst, value=value, offset=op.dst_offset + done, align=1))
            done += unit

    # ------------------------------------------------------------ helpers

    def _helper_call(self, op: ops.Helper) -> bool:
        """Copy what a helper reads through a kernel pointer to the stack; it takes own memory alone."""
        info = HELPERS[op.name]
        args = list(op.args)
        inputs = [at for at, kind in enumerate(info.args) if kind is Arg.IN]
        for order, at in enumerate(inputs):
            size = self._size_of_input(op, at, order)
            if self._flow.of(args[at]).kind is Kind.FOREIGN and 0 < size <= _MOST_COPIED:
                self._copies += 1
                copy = self._editor.slot(f"@copy{self._copies}", None, size)
                room = self._editor.address(copy)
                self._read(room, size, args[at], 0)
                args[at] = room
        if tuple(args) == op.args:
            return False
        self._editor.add(msgspec.structs.replace(op, args=tuple(args)))
        return True

    def _size_of_input(self, op: ops.Helper, at: int, order: int) -> int:
        """Bytes behind an argument: a map's key or value, or the number that comes next; else 0."""
        spec = next((m for each in op.args if (m := self._maps.get(each))), None)
        if op.name.startswith("map_") and spec is not None:
            keyless = not spec.key_size  # a queue or stack
            return spec.value_size if order or keyless else spec.key_size
        behind = op.args[at + 1] if at + 1 < len(op.args) else None
        return behind.value if isinstance(behind, Const) else 0

    # ------------------------------------------------------------ what the verifier does not let through

    def _offset(self, op: ops.Offset) -> None:
        """A typed pointer and a number that is not known: computed as numbers.

        The verifier allows constants alone; two negations make a number of the pointer for it.
        """
        editor = self._editor
        address = editor.convert(op.ptr, U64)
        hidden = editor.register(U64)
        negative = editor.binary(BinaryOp.SUB, Const(0, U64), address)
        editor.add(ops.Opaque(result=hidden, a=negative))
        number = editor.binary(BinaryOp.SUB, Const(0, U64), hidden)
        total = editor.binary(BinaryOp.ADD, number, editor.convert(op.delta, U64))
        editor.convert(total, op.result.type, into=op.result)

    # ------------------------------------------------------------ writes

    def _write(self, op: ops.Store | ops.AtomicAdd | ops.Atomic | ops.Fill) -> bool:
        self._refuse_foreign(op, op.ptr)
        if not isinstance(op, ops.Store):
            return False
        origin = self._flow.of(op.ptr).moved(op.offset)
        if origin.kind is Kind.CTX:
            base, offset = self._context(op.ptr, op.offset, origin)
            self._editor.add(ops.Store(ptr=base, value=op.value, offset=offset))
            return True
        return self._align(op)

    def _align(self, op: ops.Load | ops.Store) -> bool:
        """Say how far an access to the stack is aligned; the verifier wants no less, and LLVM needs to know."""
        align = _alignment(self._flow.of(op.ptr).moved(op.offset), op.align)
        if align == op.align:
            return False
        self._editor.add(msgspec.structs.replace(op, align=align))
        return True

    def _refuse_foreign(self, op: Op, ptr: Value) -> None:
        type_ = ptr.type
        any_ = isinstance(type_, PtrType) and type_.space is Space.ANY
        if not any_ or self._flow.of(ptr).kind not in _NOT_WRITABLE:
            return
        span = op.span or self._editor.span or Span(self._editor.function.name, 1)
        lines = self._sources.get(span.file, "").splitlines()
        self.findings.append(
            Diagnostic(
                "store through a kernel pointer: a program may read the kernel's memory, not change it",
                span,
                lines[span.line - 1] if 0 < span.line <= len(lines) else "",
                "copy what it points to into a local variable and change that",
            )
        )


def _alignment(origin: Origin, said: int) -> int:
    """What is known of an address; the stack must be accessed as it is aligned (0: well enough)."""
    if origin.kind is not Kind.STACK or not origin.offset:
        return said
    known = min(origin.offset & -origin.offset, 8)
    return min(known, said) if said else known
