"""Statements and expressions of a C function as Python's, for `syscast.bcc.migrate`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pycparser import c_ast

from syscast.bcc.migratefacts import (
    INCREMENTS,
    Known,
    Source,
    changed,
    log2_of,
    pointee,
    without_casts,
)
from syscast.frontend.c.memberaliases import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_OPERATORS = {"&&": "and", "||": "or", "/": "//"}
_CALLS = {
    "bpf_ktime_get_ns": "now()",
    "bpf_ktime_get_boot_ns": "now()",
    "bpf_get_smp_processor_id": "current.cpu",
    "bpf_get_current_cgroup_id": "current.cgroup_id",
    "bpf_get_current_task": "current.task",
    "bpf_get_current_pid_tgid": "current.pid << 32 | current.tid",
    "bpf_get_current_uid_gid": "current.gid << 32 | current.uid",
}
_HALVES = {
    "bpf_get_current_pid_tgid": ("current.pid", "current.tid"),
    "bpf_get_current_uid_gid": ("current.gid", "current.uid"),
}
# Members in network order are plain numbers in a probe.
_ORDERS = frozenset(
    {
        "ntohs",
        "ntohl",
        "htons",
        "htonl",
        "bpf_ntohs",
        "bpf_ntohl",
        "be16_to_cpu",
        "be32_to_cpu",
    }
)
_CASTS = {"inet_sk": "struct inet_sock", "tcp_sk": "struct tcp_sock"}
_READS = frozenset({"bpf_probe_read", "bpf_probe_read_kernel"})
_TEXTS = {
    "bpf_probe_read_str": "kernel_str",
    "bpf_probe_read_kernel_str": "kernel_str",
    "bpf_probe_read_user_str": "user_str",
}
_SUBMITS = frozenset({"perf_submit", "ringbuf_output", "ringbuf_submit"})
_REGISTERS = ("di", "si", "dx", "cx", "r8", "r9")
_RESULTS = frozenset({"ax"})
_AT_ENTRY = frozenset({"", "kprobe", "uprobe"})
_AT_RETURN = frozenset({"", "kretprobe", "uretprobe"})
_ARRAYS = frozenset({"Array", "PerCpuArray"})
_USER_STACK = 256
"""BPF_F_USER_STACK."""
_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What forms of C that nobody thought of run into: they have no counterpart."""
_MEMBER_ALIASES = {
    name: path.split(".")
    for record in ("sock", "inet_sock", "inet_request_sock", "inet_timewait_sock", "request_sock")
    for name, path in ALIASES[record].items()
}
"""Of records whose macros have names of their own."""


_FORMAT = re.compile(r"%(?:l{0,2}|h{0,2}|z)([duxisp])")


class _Unknown(Exception):
    """There is no counterpart."""


class Body:
    """Writes one function.

    Args:
        known: The tables.
        source: The C text.
        kind: syscast's decorator; nothing where none is known.
        names: The C function's parameters.

    Attributes:
        prints: Whether it writes a line with ``bpf_trace_printk``.
    """

    def __init__(self, known: Known, source: Source, kind: str, names: Sequence[str]) -> None:
        self._known = known
        self._source = source
        self.prints: bool = False
        self._kind = kind
        self._context = names[0] if names else ""
        self._names = names[1:]
        self._used: dict[str, None] = {}
        self._records: dict[str, dict[str, str]] = {}
        self._entries: dict[str, str] = {}
        self._lost: set[str] = set()
        self._wide: set[str] = set()
        self._texts: set[str] = set()

    def parameters(self) -> list[str]:
        """The probe's parameters: the C function's, or what the body turned out to read."""
        used = list(self._used)
        if self._kind == "tracepoint":
            return ["*", *used] if used else []
        numbers = [int(each.removeprefix("arg")) for each in used if each.startswith("arg")]
        last = max(numbers, default=-1) + 1
        found = [*self._names, *(f"arg{number}" for number in range(len(self._names), last))]
        return [*found, *(["ret"] if "ret" in self._used else [])]

    def lines_of(self, block: c_ast.Compound) -> list[str]:
        """A function's body; what ends it without a value is left out at its end."""
        lines = self._block(block.block_items or ())
        while lines and lines[-1] == "return None":
            lines.pop()
        return lines

    def _block(self, nodes: Iterable[c_ast.Node]) -> list[str]:
        lines: list[str] = []
        for node in nodes:
            lines += self._guarded(node)
        return lines

    def _guarded(self, node: c_ast.Node) -> list[str]:
        try:
            return self._statement(node)
        except (_Unknown, *_ODD):
            # What it would have set is not known from here on.
            for name in changed(node):
                self._lost.add(name)
                self._entries.pop(name, None)
            return self._source.quoted(node)

    def _statement(self, node: c_ast.Node) -> list[str]:
        ways: tuple[tuple[type[c_ast.Node], Callable[[c_ast.Node], list[str]]], ...] = (
            (c_ast.Decl, self._declaration),
            (c_ast.Assignment, self._assignment),
            (c_ast.If, self._if),
            (c_ast.For, self._for),
            (c_ast.Return, self._return),
            (c_ast.FuncCall, self._call_statement),
            (c_ast.Compound, lambda block: self._block(block.block_items or ())),
            (c_ast.UnaryOp, self._step),
            (c_ast.EmptyStatement, lambda _: []),
            (c_ast.Pragma, lambda _: []),
        )
        for kind, write in ways:
            if isinstance(node, kind):
                return write(node)
        raise _Unknown

    def _return(self, node: c_ast.Return) -> list[str]:
        """The end of a run; values matter to some kinds of programs, and calls do something."""
        value = without_casts(node.expr) if node.expr is not None else None
        plain = isinstance(value, c_ast.Constant) and value.value == "0"
        if (
            value is None
            or plain
            or (self._kind and isinstance(value, (c_ast.Constant, c_ast.ID)))
        ):
            return ["return None"]
        return [*self._source.quoted(node), "return None"]

    def _step(self, node: c_ast.UnaryOp) -> list[str]:
        if node.op not in {"p++", "++", "p--", "--"}:
            raise _Unknown
        return [f"{self._entry_or(node.expr)} {'+' if '+' in node.op else '-'}= 1"]

    def _declaration(self, node: c_ast.Decl) -> list[str]:
        if isinstance(node.init, c_ast.InitList) or (
            isinstance(node.type, c_ast.TypeDecl) and isinstance(node.type.type, c_ast.Struct)
        ):
            return self._record(node)
        if node.init is None:
            return []
        self._lost.discard(node.name)
        found = self._found(node.name, node.init)
        if found is not None:
            return found
        half = _half_of(node.init)
        if half is not None and _is_32(node.type):
            return [f"{node.name} = {half}"]
        value = self._expression(node.init)
        if half is not None:
            self._wide.add(node.name)
        if isinstance(without_casts(node.init), c_ast.ID) and _is_32(node.type):
            value = self._low(value)
        return [f"{node.name} = {value}"]

    def _low(self, value: str) -> str:
        """The low half of a variable with two numbers in it."""
        return f"{value} & 0xFFFFFFFF" if value in self._wide else value

    def _found(self, name: str, call: c_ast.Node) -> list[str] | None:
        """A variable that becomes the place of an entry; None where it does not."""
        match call:
            case c_ast.FuncCall(
                name=c_ast.StructRef(
                    name=c_ast.ID(name=table),
                    field=c_ast.ID(name="lookup" | "lookup_or_init" | "lookup_or_try_init" as how),
                ),
                args=args,
            ) if args is not None and table in self._known.metas:
                state = self._known.states.get(table, "")
                if not state.endswith(("Hash", "Array")):
                    raise _Unknown
                key = self._expression(pointee(args.exprs[0]))
                lines = []
                if how != "lookup" and state not in _ARRAYS:
                    first = self._expression(pointee(args.exprs[1]))
                    lines = [f"if {key} not in {table}:", f"    {table}[{key}] = {first}"]
                self._entries[name] = f"{table}[{key}]"
                return lines
            case _:
                return None

    def _record(self, node: c_ast.Decl) -> list[str]:
        fields = self._records[node.name] = {}
        if isinstance(node.init, c_ast.InitList):
            for each in node.init.exprs:
                if isinstance(each, c_ast.NamedInitializer) and len(each.name) == 1:
                    fields[each.name[0].name] = self._expression(each.expr)
                elif not isinstance(each, c_ast.Constant):
                    raise _Unknown
        elif node.init is not None:
            raise _Unknown
        return []

    def _assignment(self, node: c_ast.Assignment) -> list[str]:
        if isinstance(node.lvalue, c_ast.ID) and node.op == "=":
            found = self._found(node.lvalue.name, node.rvalue)
            if found is not None:
                self._lost.discard(node.lvalue.name)
                return found
            if _half_of(node.rvalue) is not None:
                raise _Unknown
        operator = "//=" if node.op == "/=" else node.op
        return self._store(node.lvalue, self._expression(node.rvalue), operator)

    def _store(self, target: c_ast.Node, value: str, operator: str = "=") -> list[str]:
        match target:
            case c_ast.StructRef(name=c_ast.ID(name=name)) if name in self._records:
                field = f"{name}_{target.field.name}"
                self._records[name][target.field.name] = field
                return [f"{field} {operator} {value}"]
            case c_ast.ID(name=name) if name not in self._entries and name != self._context:
                if operator == "=":
                    self._lost.discard(name)
                return [f"{self._name(target)} {operator} {value}"]
            case c_ast.UnaryOp(op="*"):
                return [f"{self._entry_or(target.expr)} {operator} {value}"]
            case _:
                raise _Unknown

    def _if(self, node: c_ast.If) -> list[str]:
        tested = self._tested_entry(node.cond)
        if tested is not None and node.iffalse is None:
            entry, missing = tested
            table, _, key = entry.partition("[")
            key = key.removesuffix("]")
            words = "not in" if missing else "in"
            lines = [f"if {key} {words} {table}:"]
            if self._known.states[table] in _ARRAYS:
                meta = self._known.metas[table]
                lines = [f"if {'not ' if missing else ''}0 <= {key} < {meta.max_entries}:"]
        else:
            lines = [f"if {self._expression(node.cond)}:"]
        lines += self._indented(node.iftrue)
        if node.iffalse is not None:
            lines += ["else:", *self._indented(node.iffalse)]
        return lines

    def _for(self, node: c_ast.For) -> list[str]:
        """``for (int i = A; i < B; i++)``."""
        match node:
            case c_ast.For(
                init=c_ast.DeclList(decls=[c_ast.Decl(name=name, init=first)])
                | c_ast.Assignment(op="=", lvalue=c_ast.ID(name=name), rvalue=first),
                cond=c_ast.BinaryOp(op="<", left=c_ast.ID(name=tested), right=end),
                next=c_ast.UnaryOp(op="p++" | "++", expr=c_ast.ID(name=counted)),
            ) if name == tested == counted and first is not None:
                start = self._expression(first)
                bounds = (
                    self._expression(end) if start == "0" else f"{start}, {self._expression(end)}"
                )
                return [f"for {name} in range({bounds}):", *self._indented(node.stmt)]
            case _:
                raise _Unknown

    def _indented(self, node: c_ast.Node) -> list[str]:
        lines = self._guarded(node)
        if not any(not line.lstrip().startswith("#") for line in lines):
            lines = [*lines, "pass"]
        return [f"    {line}" for line in lines]

    def _tested_entry(self, node: c_ast.Node) -> tuple[str, bool] | None:
        """A test whether a looked-up entry is there: the entry, and whether it asks for its absence."""
        match node:
            case c_ast.ID(name=name) if name in self._entries:
                return self._entries[name], False
            case c_ast.UnaryOp(op="!", expr=c_ast.ID(name=name)) if name in self._entries:
                return self._entries[name], True
            case c_ast.BinaryOp(op="==" | "!=", left=c_ast.ID(name=name)) if name in self._entries:
                return self._entries[name], node.op == "=="
            case _:
                return None

    def _call_statement(self, node: c_ast.FuncCall) -> list[str]:
        arguments = node.args.exprs if node.args is not None else []
        if isinstance(node.name, c_ast.StructRef):
            return self._method(node.name.name.name, node.name.field.name, arguments)
        name = node.name.name
        if name == "bpf_get_current_comm":
            return self._store_text(arguments[0], "current.comm")
        if name in _READS and len(arguments) == 3:
            if not _is_address(arguments[2]):
                raise _Unknown  # of a number in a variable nothing tells what is there
            return self._store(pointee(arguments[0]), self._expression(pointee(arguments[2])))
        if name in _TEXTS and len(arguments) == 3:
            value = f"sc.{_TEXTS[name]}({self._expression(arguments[2])})"
            return self._store_text(arguments[0], value)
        if name == "bpf_trace_printk":
            return self._line(arguments)
        if name in {"memset", "__builtin_memset"}:
            return []
        raise _Unknown

    def _store_text(self, target: c_ast.Node, value: str) -> list[str]:
        lines = self._store(pointee(target), value)
        self._texts.add(lines[0].partition(" = ")[0])
        return lines

    def _line(self, arguments: Sequence[c_ast.Node]) -> list[str]:
        """A line of the trace pipe as an event with text."""
        if not arguments or not isinstance(arguments[0], c_ast.Constant):
            raise _Unknown
        values = [self._expression(each) for each in arguments[1:]]
        text = arguments[0].value.removesuffix('\\n"').removesuffix('"').rstrip() + '"'
        parts = _FORMAT.split(text.replace("{", "{{").replace("}", "}}"))
        if len(parts) != 2 * len(values) + 1:
            raise _Unknown
        if any(
            form == "s" and value not in self._texts
            for value, form in zip(values, parts[1::2], strict=True)
        ):
            raise _Unknown  # a pointer to text is a number in Python
        written = parts[0]
        for value, form, rest in zip(values, parts[1::2], parts[2::2], strict=True):
            written += "{" + value + (":x" if form in "xp" else "") + "}" + rest
        self.prints = True
        return [f"sc.emit(Line(text=f{written}))"]

    def _method(self, table: str, method: str, arguments: Sequence[c_ast.Node]) -> list[str]:
        if method in _SUBMITS and table in self._known.events:
            sent = arguments[0] if method != "perf_submit" else arguments[1]
            return self._submit(self._known.events[table], pointee(sent))
        state = self._known.states.get(table, "")
        if method in INCREMENTS:
            return self._increment(table, state, arguments)
        hashed = state.endswith("Hash")
        key = self._expression(pointee(arguments[0]))
        if method == "update" and (hashed or state in _ARRAYS):
            return [f"{table}[{key}] = {self._expression(pointee(arguments[1]))}"]
        if method == "insert" and hashed:
            value = self._expression(pointee(arguments[1]))
            return [f"if {key} not in {table}:", f"    {table}[{key}] = {value}"]
        if method == "delete" and hashed:
            return [f"{table}.pop({key}, 0)"]
        raise _Unknown

    def _increment(self, table: str, state: str, arguments: Sequence[c_ast.Node]) -> list[str]:
        """Only of BPF_HASH does it make an entry that is missing, as ``+=`` does in Python."""
        if state in {"Log2Hist", "LinearHist"} and len(arguments) == 1:
            value = log2_of(arguments[0]) if state == "Log2Hist" else arguments[0]
            if value is None:
                raise _Unknown
            return [f"{table}.add({self._expression(value)})"]
        if state != "Hash" and state not in _ARRAYS:
            raise _Unknown
        key = self._expression(pointee(arguments[0]))
        more = self._expression(arguments[1]) if len(arguments) > 1 else "1"
        return [f"{table}[{key}] += {more}"]

    def _submit(self, event: str, sent: c_ast.Node) -> list[str]:
        if not isinstance(sent, c_ast.ID):
            raise _Unknown
        if sent.name in self._records:
            fields = ", ".join(
                f"{name}={value}" for name, value in self._records[sent.name].items()
            )
            return [f"sc.emit({event}({fields}))"]
        return [f"sc.emit({event}(value={self._name(sent)}))"]

    def _entry_or(self, node: c_ast.Node) -> str:
        """An entry that a variable points to, or else the expression."""
        match node:
            case c_ast.UnaryOp(op="*", expr=inner):
                return self._entry_or(inner)
            case c_ast.ID(name=name) if name in self._entries:
                return self._entries[name]
            case _:
                return self._expression(node)

    # ------------------------------------------------------------ expressions

    def _expression(self, node: c_ast.Node) -> str:
        for kind, write in self._writers():
            if isinstance(node, kind):
                return write(node)
        raise _Unknown

    def _writers(self) -> tuple[tuple[type[c_ast.Node], Callable[[c_ast.Node], str]], ...]:
        return (
            (c_ast.Constant, _constant),
            (c_ast.ID, self._name),
            (c_ast.StructRef, self._member),
            (c_ast.ArrayRef, self._element),
            (c_ast.BinaryOp, self._binary),
            (c_ast.UnaryOp, self._unary),
            (c_ast.TernaryOp, self._choice),
            (c_ast.Cast, self._cast),
            (c_ast.FuncCall, self._call),
        )

    def _name(self, node: c_ast.ID) -> str:
        if node.name == self._context or node.name in self._lost or node.name in self._entries:
            raise _Unknown
        return str(node.name)

    def _member(self, node: c_ast.StructRef) -> str:
        name = node.field.name
        if isinstance(node.name, c_ast.ID):
            if node.name.name in self._records:
                return self._records[node.name.name].get(name, f"{node.name.name}_{name}")
            if node.name.name == self._context and self._kind == "tracepoint":
                self._used[name] = None
                return str(name)
            if node.name.name == self._context:
                return self._register(name)
        owner = self._expression(node.name)
        if name.startswith("__"):
            return owner
        return ".".join(
            [
                owner,
                *(each for each in _MEMBER_ALIASES.get(name, [name]) if not each.startswith("__")),
            ]
        )

    def _register(self, name: str) -> str:
        """An argument or the result, by the register that a macro of bcc reads."""
        if name in _RESULTS and self._kind in _AT_RETURN:
            found = "ret"
        elif name in _REGISTERS and self._kind in _AT_ENTRY:
            number = _REGISTERS.index(name)
            if number < len(self._names):
                return self._names[number]
            found = f"arg{number}"
        else:
            raise _Unknown
        self._used[found] = None
        return found

    def _element(self, node: c_ast.ArrayRef) -> str:
        match node.name:
            case c_ast.StructRef(name=c_ast.ID(name=self._context), field=c_ast.ID(name="args")):
                known = isinstance(node.subscript, c_ast.Constant)
                if not known or self._kind not in {"", "raw_tracepoint"}:
                    raise _Unknown
                found = f"arg{node.subscript.value}"
                self._used[found] = None
                return found
            case _:
                return f"{self._expression(node.name)}[{self._expression(node.subscript)}]"

    def _binary(self, node: c_ast.BinaryOp) -> str:
        half = _half(node)
        if half is not None:
            return half
        if node.op in {"==", "!="} and _is_null(node.right):
            return f"{self._expression(node.left)} {'is' if node.op == '==' else 'is not'} None"
        left, right = self._operand(node.left), self._operand(node.right)
        return f"{left} {_OPERATORS.get(node.op, node.op)} {right}"

    def _operand(self, node: c_ast.Node) -> str:
        text = self._expression(node)
        compound = " " in text and not isinstance(node, (c_ast.Constant, c_ast.Cast))
        return f"({text})" if compound else text

    def _unary(self, node: c_ast.UnaryOp) -> str:
        if node.op == "!":
            return f"not {self._operand(node.expr)}"
        if node.op in {"-", "~", "+"}:
            return f"{node.op}{self._operand(node.expr)}"
        if node.op == "*":
            return self._entry_or(node.expr)
        raise _Unknown

    def _choice(self, node: c_ast.TernaryOp) -> str:
        parts = [self._operand(each) for each in (node.iftrue, node.cond, node.iffalse)]
        return f"{parts[0]} if {parts[1]} else {parts[2]}"

    def _cast(self, node: c_ast.Cast) -> str:
        inner = self._expression(node.expr)
        written = node.to_type.type
        if isinstance(written, c_ast.PtrDecl) and isinstance(written.type, c_ast.TypeDecl):
            pointed = written.type.type
            if isinstance(pointed, c_ast.Struct) and pointed.name:
                return f'sc.cast("struct {pointed.name}", {inner})'
        if _half_of(node.expr) is not None and _is_32(written):
            return _half_of(node.expr) or inner
        return self._low(inner) if _is_32(written) else inner

    def _call(self, node: c_ast.FuncCall) -> str:
        arguments = node.args.exprs if node.args is not None else []
        if isinstance(node.name, c_ast.StructRef):
            return self._stack(node.name, arguments)
        if not isinstance(node.name, c_ast.ID):
            raise _Unknown
        name = node.name.name
        if name in _ORDERS and len(arguments) == 1:
            return self._expression(arguments[0])
        if name in _CASTS and len(arguments) == 1:
            return f'sc.cast("{_CASTS[name]}", {self._expression(arguments[0])})'
        if name in _CALLS:
            return _CALLS[name]
        raise _Unknown

    def _stack(self, called: c_ast.StructRef, arguments: Sequence[c_ast.Node]) -> str:
        """``stacks.get_stackid(ctx, 0)``, of the process with BPF_F_USER_STACK."""
        table = called.name.name
        flags = without_casts(arguments[1]) if len(arguments) == 2 else None
        if (
            called.field.name != "get_stackid"
            or self._known.states.get(table) != "Stacks"
            or not isinstance(flags, c_ast.Constant)
        ):
            raise _Unknown
        number = int(_constant(flags), 0)
        if number not in {0, _USER_STACK}:
            raise _Unknown
        return f"{table}.{'user' if number else 'kernel'}()"


def _is_address(node: c_ast.Node) -> bool:
    inner = without_casts(node)
    return isinstance(inner, c_ast.UnaryOp) and inner.op == "&"


def _constant(node: c_ast.Node) -> str:
    assert isinstance(node, c_ast.Constant)
    if node.type == "string":
        return str(node.value)
    text = (
        node.value.rstrip("uUlL") if not node.value.startswith("'") else str(ord(node.value[1:-1]))
    )
    return f"0o{text[1:]}" if len(text) > 1 and text[0] == "0" and text.isdigit() else str(text)


def _is_null(node: c_ast.Node) -> bool:
    """``NULL``: ``((void *)0)``."""
    return (
        isinstance(node, c_ast.Cast)
        and isinstance(node.expr, c_ast.Constant)
        and node.expr.value == "0"
    )


def _is_32(written: c_ast.Node) -> bool:
    names = getattr(getattr(written, "type", None), "names", [])
    return bool(set(names) & {"u32", "int", "__u32", "uint32_t", "pid_t", "unsigned"})


def _half_of(node: c_ast.Node) -> str | None:
    """The low half of a helper that gives two numbers."""
    if isinstance(node, c_ast.FuncCall) and isinstance(node.name, c_ast.ID):
        halves = _HALVES.get(node.name.name)
        return halves[1] if halves else None
    return None


def _half(node: c_ast.BinaryOp) -> str | None:
    """``bpf_get_current_pid_tgid() >> 32`` and the like."""
    inner = node.left
    inner = without_casts(inner)
    if not isinstance(inner, c_ast.FuncCall) or not isinstance(node.right, c_ast.Constant):
        return None
    halves = _HALVES.get(getattr(inner.name, "name", ""))
    if halves is None:
        return None
    value = node.right.value.rstrip("uUlL").lower()
    if node.op == ">>" and value == "32":
        return halves[0]
    return halves[1] if node.op == "&" and value == "0xffffffff" else None
