"""Calls like ``table.lookup(&key)``: each is one helper, or the few steps that bcc's rewriter writes out.

They are lowered where they stand on typed operands, so that they work in macros and in functions that a
program calls, where bcc refuses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from syscast.btf.near import nearest
from syscast.frontend.c.conversions import is_scalar
from syscast.frontend.c.conversions import number as constant
from syscast.frontend.c.dialect import (
    counted,
    map_address,
    number,
    pointer,
    scratch,
)
from syscast.frontend.c.emitter import ANY
from syscast.frontend.c.tables import LOST_MAP, words
from syscast.frontend.c.types import (
    INT,
    UNSIGNED_INT,
    UNSIGNED_LONG,
    UNSIGNED_LONG_LONG,
    VOID,
    VOID_POINTER,
    Array,
    Pointer,
    Record,
    Void,
    is_integer,
)
from syscast.frontend.c.values import CValue, Place
from syscast.ir import ops
from syscast.ir.ops import Predicate
from syscast.ir.types import U32, U64, Const

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pycparser import c_ast

    from syscast.frontend.c.dialect import Dialect
    from syscast.frontend.c.lowering import Lowering
    from syscast.frontend.c.tables import Table
    from syscast.frontend.c.types import CType
    from syscast.ir.types import Value

BPF_ANY, BPF_NOEXIST = 0, 1
CURRENT_CPU = 0xFFFF_FFFF


class Call(NamedTuple):
    """A call of a method."""

    low: Lowering
    dialect: Dialect
    table: Table
    args: Sequence[c_ast.Node]
    node: c_ast.FuncCall

    @property
    def map(self) -> Value:
        """The table's map, for a helper."""
        return map_address(self.low, self.table.name)

    def key(self, at: int = 0) -> Value:
        """The argument that is a key's address."""
        return self.address(at, self.table.key, "key")

    def leaf(self, at: int = 1) -> Value:
        """The argument that is a leaf's address."""
        return self.address(at, self.table.leaf, "leaf")

    def address(self, at: int, ctype: CType | None, what: str) -> Value:
        """An argument that is the address of something of a type; a wrong type is warned of."""
        low, node = self.low, self.args[at]
        value = low.expr(node)
        if not isinstance(value.ctype, Pointer):
            if is_integer(value.ctype) and isinstance(value.made, Const) and not value.made.value:
                return Const(0, ANY)
            low.error(
                node,
                f"this is a '{value.ctype.spelling}', not the address of a {what}",
                f"put & before it: methods take the address of the {what}",
            )
        pointed = value.ctype.to
        if ctype is not None and pointed.complete and pointed.size < ctype.size:
            loose = isinstance(pointed, Void) or pointed.size == 1
            if not loose:
                low.warn(
                    node,
                    f"'{value.ctype.spelling}' points to {pointed.size} bytes; the {what} of"
                    f" '{self.table.name}' is '{ctype.spelling}' of {ctype.size}",
                )
        return value.made

    def number(self, at: int, default: int | None = None) -> Value:
        """An argument that is a number; one that may be left out has a default."""
        if default is not None and at >= len(self.args):
            return Const(default, U64)
        return number(self.low, self.args[at])

    def helper(self, name: str, *values: Value, returns: CType = INT) -> CValue:
        """Call a helper."""
        return self.low.helper(name, values, returns)


Method: TypeAlias = "Callable[[Call], CValue]"


class Row(NamedTuple):
    """A method: what lowers it, how it is called, and the numbers of arguments."""

    lower: Method
    usage: str
    counts: tuple[int, ...]
    types: frozenset[str] = frozenset()


def lower_method(
    dialect: Dialect, low: Lowering, table: Table, name: str, call: c_ast.FuncCall
) -> CValue:
    """Lower ``table.name(...)``.

    Raises:
        Rejected: There is no such method, or it is called wrongly.
    """
    row = METHODS.get(name)
    if row is None:
        near = nearest(name, METHODS)
        hint = (
            f"did you mean {', '.join(near)}?"
            if near
            else "see the methods of tables in bcc's reference"
        )
        low.error(call, f"invalid bpf_table operation {name}", hint)
    if row.types and table.type not in row.types and table.kind != "extern":
        kinds = ", ".join(words(row.types))
        low.error(
            call,
            f"invalid bpf_table operation {name}: table '{table.name}' is of type {table.kind}",
            f"it is there for tables of type {kinds}",
        )
    args = counted(low, call, f"{table.name}.{name}", row.usage, row.counts)
    return row.lower(Call(low, dialect, table, args, call))


# ---------------------------------------------------------------- looking up and changing entries


def _lookup(c: Call) -> CValue:
    return c.helper("map_lookup_elem", c.map, c.key(), returns=Pointer(c.table.leaf))


def _update(c: Call) -> CValue:
    key, leaf = c.key(), c.leaf()
    return c.helper("map_update_elem", c.map, key, leaf, Const(BPF_ANY, U64))


def _insert(c: Call) -> CValue:
    if c.table.type == "array":
        c.low.warn(c.node, "all entries of an array exist: insert() never succeeds on one")
    key, leaf = c.key(), c.leaf()
    return c.helper("map_update_elem", c.map, key, leaf, Const(BPF_NOEXIST, U64))


def _delete(c: Call) -> CValue:
    return c.helper("map_delete_elem", c.map, c.key())


def _found_or_made(c: Call) -> CValue:
    """Look a key up; where it is missing, insert the leaf and look again."""
    low = c.low
    key, leaf = c.key(), c.leaf()
    ctype = Pointer(c.table.leaf)
    slot = low.builder.slot("found", ANY, ctype.size)
    first = c.helper("map_lookup_elem", c.map, key, returns=ctype)
    low.emit(ops.SlotStore(slot, first.made))
    missing, done = low.label("missing"), low.label("found")
    low.branch(_is_null(low, first.made), missing, done)
    low.start(missing)
    c.helper("map_update_elem", c.map, key, leaf, Const(BPF_NOEXIST, U64))
    second = c.helper("map_lookup_elem", c.map, key, returns=ctype)
    low.emit(ops.SlotStore(slot, second.made))
    low.start(done)
    result = low.reg(ANY)
    low.emit(ops.SlotLoad(result, slot))
    return CValue(ctype, result)


def _found_or_return(c: Call) -> CValue:
    """The same; where even that fails, the function around the call returns 0."""
    low = c.low
    found = _found_or_made(c)
    none, some = low.label("none"), low.label("some")
    low.branch(_is_null(low, found.made), none, some)
    low.start(none)
    returns = low.frames[-1].returns
    low.return_(None if isinstance(returns, Void) else constant(0))
    low.start(some)
    return found


def _is_null(low: Lowering, address: Value) -> Value:
    return low.compare(Predicate.EQ, address, Const(0, ANY))


def _add(c: Call, *, atomic: bool) -> CValue:
    """Add to the leaf of a key that is given by its value; hash tables make the entry."""
    low, leaf = c.low, c.table.leaf
    if not is_integer(leaf):
        low.error(c.node, f"the leaf of '{c.table.name}' is a '{leaf.spelling}', not an integer")
    key = _key_by_value(c)
    amount = low.convert(low.expr(c.args[1]), leaf) if len(c.args) > 1 else constant(1, leaf)
    found = c.helper("map_lookup_elem", c.map, key, returns=Pointer(leaf)).made
    some, none, done = low.label("some"), low.label("none"), low.label("counted")
    low.branch(_is_null(low, found), none, some)
    low.start(some)
    if atomic:
        add_atomically(low, found, CValue(leaf, amount.made))
    else:
        place = Place(leaf, ptr=found)
        low.store(place, low.binary("+", low.rvalue(place), amount))
    low.jump(done)
    low.start(none)
    if c.table.creates:
        value = scratch(low, amount.made, leaf, "leaf")
        c.helper("map_update_elem", c.map, key, value, Const(BPF_NOEXIST, U64))
    low.start(done)
    return CValue(VOID, None)


def add_atomically(low: Lowering, address: Value, value: CValue) -> None:
    """``__sync_fetch_and_add`` without its result."""
    if value.ctype.size not in {4, 8}:
        low.error(
            None, f"'{value.ctype.spelling}' cannot be added atomically", "use 32 or 64 bits"
        )
    low.emit(ops.AtomicAdd(address, value.made))


def _key_by_value(c: Call) -> Value:
    """The address of a key that an argument gives by its value."""
    low, node, ctype = c.low, c.args[0], c.table.key
    if ctype is None:
        low.error(c.node, f"table '{c.table.name}' has no keys")
    if is_scalar(ctype):
        return low.pointer(low.spilled(low.convert(low.expr(node), ctype), "key"))
    given = low.operand(node)
    if not isinstance(given.ctype, Record | Array) or given.ctype.size != ctype.size:
        hint = "this method takes the key itself, not its address"
        low.error(node, f"this is a '{given.ctype.spelling}', not a key '{ctype.spelling}'", hint)
    if isinstance(given, Place) and given.own and not given.bits:
        return low.pointer(given)
    copied = low.buffer(ctype, "key")
    address = low.pointer(given) if isinstance(given, Place) else given.made
    low.emit(ops.AnyCopy(low.pointer(copied), address, ctype.size))
    return low.pointer(copied)


def _increment(c: Call) -> CValue:
    return _add(c, atomic=False)


def _atomic_increment(c: Call) -> CValue:
    return _add(c, atomic=True)


# ---------------------------------------------------------------- sending


def _perf_submit(c: Call) -> CValue:
    ctx = pointer(c.low, c.args[0], "the context")
    c.dialect.sends(c.low, c.table, c.args[1])
    data, size = pointer(c.low, c.args[1], "the data"), c.number(2)
    return c.helper("perf_event_output", ctx, c.map, Const(CURRENT_CPU, U64), data, size)


def _perf_submit_skb(c: Call) -> CValue:
    low = c.low
    ctx = pointer(low, c.args[0], "the packet")
    c.dialect.sends(low, c.table, c.args[2])
    length = CValue(UNSIGNED_LONG_LONG, c.number(1))
    shifted = low.binary("<<", length, constant(32, UNSIGNED_LONG_LONG))
    flags = low.binary("|", shifted, constant(CURRENT_CPU, UNSIGNED_LONG_LONG)).made
    data, size = pointer(low, c.args[2], "the data"), c.number(3)
    return c.helper("perf_event_output", ctx, c.map, flags, data, size)


def _ringbuf_output(c: Call) -> CValue:
    c.dialect.sends(c.low, c.table, c.args[0])
    data, size, flags = pointer(c.low, c.args[0], "the data"), c.number(1), c.number(2, 0)
    sent = c.helper("ringbuf_output", c.map, data, size, flags)
    _count_lost(c, c.low.compare(Predicate.SLT, sent.made, Const(0, sent.made.type)))
    return sent


def _ringbuf_reserve(c: Call) -> CValue:
    made = c.helper("ringbuf_reserve", c.map, c.number(0), Const(0, U64), returns=VOID_POINTER)
    _count_lost(c, _is_null(c.low, made.made))
    return made


def _count_lost(c: Call, lost: Value) -> None:
    """Count a record that found the ring full; bcc has no count of these."""
    low = c.low
    full, free, there = low.label("full"), low.label("sent"), low.label("lost")
    low.branch(lost, full, free)
    low.start(full)
    key = scratch(low, Const(c.table.ring, U32), UNSIGNED_INT, "ring")
    counter = low.helper(
        "map_lookup_elem", (map_address(low, LOST_MAP), key), Pointer(UNSIGNED_LONG)
    )
    low.branch(_is_null(low, counter.made), free, there)
    low.start(there)
    place = Place(UNSIGNED_LONG, ptr=counter.made)
    low.store(place, low.binary("+", low.rvalue(place), constant(1, UNSIGNED_LONG)))
    low.start(free)


def _ringbuf_submit(c: Call) -> CValue:
    c.dialect.sends(c.low, c.table, c.args[0])
    record = pointer(c.low, c.args[0], "the record")
    return c.helper("ringbuf_submit", record, c.number(1, 0), returns=VOID)


def _ringbuf_discard(c: Call) -> CValue:
    record = pointer(c.low, c.args[0], "the record")
    return c.helper("ringbuf_discard", record, c.number(1, 0), returns=VOID)


def _ringbuf_query(c: Call) -> CValue:
    return c.helper("ringbuf_query", c.map, c.number(0), returns=UNSIGNED_LONG)


# ---------------------------------------------------------------- stacks, counters, programs, cgroups


def _get_stackid(c: Call) -> CValue:
    ctx = pointer(c.low, c.args[0], "the context")
    return c.helper("get_stackid", ctx, c.map, c.number(1))


def _call(c: Call) -> CValue:
    ctx = pointer(c.low, c.args[0], "the context")
    return c.helper("tail_call", ctx, c.map, c.number(1), returns=VOID)


def _perf_read(c: Call) -> CValue:
    return c.helper("perf_event_read", c.map, c.number(0), returns=UNSIGNED_LONG_LONG)


def _perf_counter_value(c: Call) -> CValue:
    flags, buffer = c.number(0), pointer(c.low, c.args[1], "the buffer")
    return c.helper("perf_event_read_value", c.map, flags, buffer, c.number(2))


def _check_current_task(c: Call) -> CValue:
    return c.helper("current_task_under_cgroup", c.map, c.number(0))


# ---------------------------------------------------------------- queues, storages, sockets


def _push(c: Call) -> CValue:
    return c.helper("map_push_elem", c.map, c.leaf(0), c.number(1, BPF_ANY))


def _pop(c: Call) -> CValue:
    return c.helper("map_pop_elem", c.map, c.leaf(0))


def _peek(c: Call) -> CValue:
    return c.helper("map_peek_elem", c.map, c.leaf(0))


def _storage(kind: str) -> dict[str, Row]:
    def get(c: Call) -> CValue:
        owner = pointer(c.low, c.args[0], "the owner")
        value = c.address(1, c.table.leaf, "leaf")
        flags = c.number(2)
        returns = Pointer(c.table.leaf)
        return c.helper(f"{kind}_storage_get", c.map, owner, value, flags, returns=returns)

    def delete(c: Call) -> CValue:
        return c.helper(f"{kind}_storage_delete", c.map, pointer(c.low, c.args[0], "the owner"))

    types = frozenset({f"{kind}_storage"})
    return {
        f"{kind}_storage_get": Row(get, f"{kind}, &leaf, flags", (3,), types),
        f"{kind}_storage_delete": Row(delete, kind, (1,), types),
    }


def _get_local_storage(c: Call) -> CValue:
    returns = Pointer(c.table.leaf)
    return c.helper("get_local_storage", c.map, c.number(0), returns=returns)


def _redirect_map(c: Call) -> CValue:
    return c.helper("redirect_map", c.map, c.number(0), c.number(1))


def _with_context(helper: str, types: str) -> Row:
    """A helper that takes the context, the map, a key's address and flags."""

    def lower(c: Call) -> CValue:
        ctx = pointer(c.low, c.args[0], "the context")
        key = pointer(c.low, c.args[1], "the key")
        return c.helper(helper, ctx, c.map, key, c.number(2))

    return Row(lower, "ctx, &key, flags", (3,), frozenset(types.split()))


def _with_index(helper: str) -> Row:
    """A helper that takes the context, the map, a key's number and flags."""

    def lower(c: Call) -> CValue:
        ctx = pointer(c.low, c.args[0], "the context")
        return c.helper(helper, ctx, c.map, c.number(1), c.number(2))

    return Row(lower, "ctx, key, flags", (3,), frozenset({"sockmap"}))


_STACKS = frozenset({"stack_trace"})
_RINGS = frozenset({"ringbuf"})
_PERF = frozenset({"perf_event_array"})
_LISTS = frozenset({"queue", "stack"})
_KEY, _BOTH = "&key", "&key, &leaf"

METHODS: dict[str, Row] = {
    "lookup": Row(_lookup, _KEY, (1,)),
    "update": Row(_update, _BOTH, (2,)),
    "insert": Row(_insert, _BOTH, (2,)),
    "delete": Row(_delete, _KEY, (1,)),
    "lookup_or_try_init": Row(_found_or_made, _BOTH, (2,)),
    "lookup_or_init": Row(_found_or_return, _BOTH, (2,)),
    "increment": Row(_increment, "key, by", (1, 2)),
    "atomic_increment": Row(_atomic_increment, "key, by", (1, 2)),
    "perf_submit": Row(_perf_submit, "ctx, &data, sizeof(data)", (3,), _PERF),
    "perf_submit_skb": Row(_perf_submit_skb, "skb, length, &data, sizeof(data)", (4,), _PERF),
    "get_stackid": Row(_get_stackid, "ctx, flags", (2,), _STACKS),
    "ringbuf_output": Row(_ringbuf_output, "&data, sizeof(data), flags", (2, 3), _RINGS),
    "ringbuf_reserve": Row(_ringbuf_reserve, "sizeof(struct data_t)", (1,), _RINGS),
    "ringbuf_submit": Row(_ringbuf_submit, "record, flags", (1, 2), _RINGS),
    "ringbuf_discard": Row(_ringbuf_discard, "record, flags", (1, 2), _RINGS),
    "ringbuf_query": Row(_ringbuf_query, "flags", (1,), _RINGS),
    "call": Row(_call, "ctx, index", (2,), frozenset({"prog_array"})),
    "perf_read": Row(_perf_read, "index", (1,), _PERF),
    "perf_counter_value": Row(_perf_counter_value, "index, &value, sizeof(value)", (3,), _PERF),
    "check_current_task": Row(_check_current_task, "index", (1,), frozenset({"cgroup_array"})),
    "push": Row(_push, "&leaf, flags", (1, 2), _LISTS),
    "pop": Row(_pop, "&leaf", (1,), _LISTS),
    "peek": Row(_peek, "&leaf", (1,), _LISTS),
    **_storage("sk"),
    **_storage("inode"),
    **_storage("task"),
    "get_local_storage": Row(
        _get_local_storage, "flags", (1,), frozenset({"cgroup_storage", "percpu_cgroup_storage"})
    ),
    "redirect_map": Row(
        _redirect_map, "index, flags", (2,), frozenset({"devmap", "cpumap", "xskmap"})
    ),
    "sock_map_update": _with_context("sock_map_update", "sockmap"),
    "sock_hash_update": _with_context("sock_hash_update", "sockhash"),
    "msg_redirect_hash": _with_context("msg_redirect_hash", "sockhash"),
    "sk_redirect_hash": _with_context("sk_redirect_hash", "sockhash"),
    "msg_redirect_map": _with_index("msg_redirect_map"),
    "sk_redirect_map": _with_index("sk_redirect_map"),
}
"""Every method of tables by name."""
