"""What a probe does with state: maps, counters, histograms that it shares with Python.

`HANDLERS` is what the rest of the front end calls; see `context.StateHandlers`.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.events.fields import MISSING
from syscast.frontend.python.aggregating import add
from syscast.frontend.python.arithmetic import Join
from syscast.frontend.python.eventing import fit, store
from syscast.frontend.python.mapaccess import Access
from syscast.frontend.python.statebytes import (
    as_u64,
    is_buffer,
    put_constant,
    put_together,
    read_part,
    read_value,
    take_apart,
)
from syscast.frontend.python.values import (
    ElementValue,
    IntValue,
    ItemValue,
    Lowered,
    MethodValue,
    PyValue,
    StructValue,
)
from syscast.ir.ops import (
    AtomicAdd,
    Binary,
    BinaryOp,
    Compare,
    Convert,
    CopyBytes,
    Predicate,
    SlotLoad,
    SlotStore,
    Store,
)
from syscast.ir.ops import Branch as BranchOp
from syscast.ir.types import BOOL, I64, Const, IntType, Value
from syscast.state.cells import Cells
from syscast.state.counter import Counter
from syscast.state.maps import Array, Hash, Var
from syscast.state.shape import shape_of
from syscast.state.state import State
from syscast.state.structs import struct_fields

if TYPE_CHECKING:
    from syscast.frontend.python.context import Lowering, MethodHandler, StateHandlers
    from syscast.spec.meta import FieldMeta
    from syscast.state.structs import Struct

_WORD = 4


def _hint(node: ast.expr) -> str:
    """A name for the state behind an expression."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else "state"


def _name(state: State) -> str:
    return type(state).__name__


def _a(state: State) -> str:
    """The class with its article."""
    name = _name(state)
    return f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"


def state_of(value: Lowered) -> State | None:
    """The state that a value is."""
    return value.value if isinstance(value, PyValue) and isinstance(value.value, State) else None


# ---------------------------------------------------------------- hash maps and arrays


def _key(access: Access, key: tuple[ast.expr, Lowered]) -> Value:
    """The address of a key."""
    low, (node, value) = access.low, key
    shape = access.state.plan.key
    if isinstance(access.state, Array):
        return access.index(low.integer(node, value).value)
    if isinstance(access.state, Var):
        return access.number(Const(0, IntType(32, signed=False)))
    return put_together(low, node, shape, take_apart(low, node, value, shape, "key"), "key")


def _default(state: State) -> bytes | None:
    if isinstance(state, Hash) and state.default is not None:
        return state.plan.value.encode(state.default)
    return None


def _found(access: Access, key: Value) -> Value:
    """Pointer to the value under a key; where it is missing, KeyError or the default."""
    default = _default(access.state)
    found = access.lookup(key)
    if default is None:
        access.need(found, "KeyError" if access.is_hash else "IndexError")
        return found
    return _either(access, found, default)


def _either(access: Access, found: Value, default: bytes) -> Value:
    """Pointer to the value, or to the default's bytes where it is NULL."""
    low = access.low
    place = low.builder.slot("map place", found.type, 8)
    low.add(SlotStore(place, found))
    missing, done = low.builder.label("missing"), low.builder.label("there")
    access.branch_null(found, missing, done)
    low.builder.start(missing)
    other = low.reg(found.type)
    low.add(Convert(other, put_constant(low, access.node, default)))
    low.add(SlotStore(place, other))
    low.jump(done)
    low.builder.start(done)
    result = low.reg(found.type)
    low.add(SlotLoad(result, place))
    return result


def _place(access: Access, key: Value) -> Value:
    """Pointer to the value under a key, to be changed in place."""
    default = _default(access.state)
    if access.is_hash and default is not None:
        return access.present(key, default)
    found = access.lookup(key)
    access.need(found, "KeyError" if access.is_hash else "IndexError")
    return found


def _item(low: Lowering, node: ast.Subscript, state: State) -> Lowered:
    """``m[k]``, ``a[i]``, ``hist[k]``."""
    key = (node.slice, low.expr(node.slice))
    if isinstance(state, Cells):
        _need_keys(low, node, state)
        return ItemValue(state, key[1], node)
    if isinstance(state, Var):
        raise low.rejection(node, "a Var has no elements", "use .value")
    access = Access(low, node, state, _hint(node.value))
    return read_value(low, node, state, _found(access, _key(access, key)))


def _owner(low: Lowering, node: ast.expr) -> Lowered:
    """What an attribute is about to be written in: ``m[k]`` of ``m[k].a += 1`` has to be in the map."""
    if isinstance(node, ast.Subscript):
        state = state_of(low.expr(node.value))
        if state is not None and state.plan.value.cls is not None and _default(state) is not None:
            access = Access(low, node, state, _hint(node.value))
            key = (node.slice, low.expr(node.slice))
            return ElementValue(_place(access, _key(access, key)), state)
    return low.expr(node)


def _contains(
    low: Lowering, node: ast.expr, state: State, where: ast.expr, key: tuple[ast.expr, Lowered]
) -> Value:
    """``k in m``."""
    if not isinstance(state, Hash):
        raise low.rejection(where, f"`in` asks a Hash for its keys, this is {_a(state)}")
    access = Access(low, node, state, _hint(where))
    found = access.lookup(_key(access, key))
    there = low.reg(BOOL)
    low.add(Compare(there, Predicate.NE, found, Const(0, found.type), span=low.span(node)))
    return there


def _assign(low: Lowering, target: ast.expr, value: tuple[ast.expr, Lowered]) -> bool:
    """``m[k] = v``, ``m[k].a = v``, ``var.value = v``; False where the target is no state."""
    if isinstance(target, ast.Subscript):
        state = state_of(low.expr(target.value))
        if state is None:
            return False
        if isinstance(state, Cells):
            raise low.rejection(
                target, f"{_a(state)} can only be added to", _how_to_add(state, target.value)
            )
        if isinstance(state, Var):
            raise low.rejection(target, "a Var has no elements", "use .value")
        _store(low, target, state, (target.slice, low.expr(target.slice)), value)
        return True
    if not isinstance(target, ast.Attribute):
        return False
    base = _owner(low, target.value)
    if isinstance(base, ElementValue):
        field = _field(low, target, base)
        made = store(low, value[0], field, value[1])
        if is_buffer(field):
            low.add(
                CopyBytes(
                    base.pointer, made, field.size, dst_offset=field.offset, span=low.span(target)
                )
            )
        else:
            low.add(Store(base.pointer, made, field.offset, span=low.span(target)))
        return True
    state = state_of(base)
    if isinstance(state, Var) and target.attr == "value":
        _store(low, target, state, (target, PyValue(0)), value)
        return True
    if state is not None:
        raise low.rejection(
            target, f"a probe cannot set '{target.attr}' of {_a(state)}", "a Var has .value"
        )
    held: object = getattr(base.value, target.attr, None) if isinstance(base, PyValue) else None
    if isinstance(held, State):
        raise low.rejection(
            target,
            f"'{target.attr}' is {_a(held)}, which a probe cannot replace",
            f"write {ast.unparse(target)}.value = ..." if isinstance(held, Var) else "",
        )
    return False


def _store(
    low: Lowering,
    node: ast.Subscript | ast.Attribute | ast.Call,
    state: State,
    key: tuple[ast.expr, Lowered],
    value: tuple[ast.expr, Lowered],
) -> None:
    shape = state.plan.value
    where = (
        node.func.value
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        else getattr(node, "value", node)
    )
    access = Access(low, node, state, _hint(where))
    parts = take_apart(low, value[0], value[1], shape, "value")
    address = _key(access, key)
    access.update(address, put_together(low, node, shape, parts, "value"))


def _augment(low: Lowering, statement: ast.AugAssign) -> bool:
    """``m[k] += n`` and the like; False where the target is no state."""
    target = statement.target
    if isinstance(target, ast.Name):
        return _augment_name(low, statement, target)
    owned = isinstance(target, ast.Attribute)
    base = _owner(low, target.value) if owned else low.expr(target.value)
    state = state_of(base)
    if isinstance(base, ElementValue) and isinstance(target, ast.Attribute):
        field = _field(low, target, base)
        _check_sum(low, statement, field if field.kind == "int" else None)
        _atomic(low, statement, base.pointer, field, low.integer(statement.value))
    elif state is not None and isinstance(target, ast.Subscript):
        key = (target.slice, low.expr(target.slice))
        if isinstance(state, Cells):
            _need_keys(low, target, state)
            _count(low, statement, state, key, target.value)
        else:
            _augment_value(low, statement, state, target, key)
    elif isinstance(state, Var) and isinstance(target, ast.Attribute) and target.attr == "value":
        _augment_value(low, statement, state, target, (target, PyValue(0)))
    else:
        return _augment_held(low, statement, target, base)
    return True


def _augment_value(
    low: Lowering,
    statement: ast.AugAssign,
    state: State,
    target: ast.Subscript | ast.Attribute,
    key: tuple[ast.expr, Lowered],
) -> None:
    """``m[k] += n``, ``a[i] += n``, ``var.value += n``."""
    _check_sum(low, statement, state.plan.value.number)
    amount = low.integer(statement.value)
    access = Access(low, target, state, _hint(target.value))
    pointer = _place(access, _key(access, key))
    _atomic(low, statement, pointer, state.plan.value.fields[0], amount)


def _augment_held(
    low: Lowering,
    statement: ast.AugAssign,
    target: ast.Subscript | ast.Attribute,
    base: Lowered,
) -> bool:
    """``module.counter += n``."""
    if isinstance(base, PyValue) and isinstance(target, ast.Attribute):
        held: object = getattr(base.value, target.attr, None)
        if isinstance(held, State) and state_of(base) is None:
            if not isinstance(held, Cells):
                raise low.rejection(
                    statement, f"`+=` does not add to {_a(held)}", "give it a key or .value"
                )
            _count(low, statement, held, None, target)
            return True
    return False


def _augment_name(low: Lowering, statement: ast.AugAssign, target: ast.Name) -> bool:
    found, held = low.outer.outer(target.id) if low.outer else (False, None)
    if target.id in low.locals or not found or not isinstance(held, State):
        return False
    if isinstance(held, Var):
        cure = f"write {target.id}.value {_sign(statement)} {ast.unparse(statement.value)}"
    else:
        cure = _how_to_add(held, target)
    raise low.rejection(
        statement, f"'{target.id}' would become a local variable of the probe, in Python too", cure
    )


def _sign(statement: ast.AugAssign) -> str:
    return "-=" if isinstance(statement.op, ast.Sub) else "+="


def _how_to_add(state: State, node: ast.expr) -> str:
    name = ast.unparse(node)
    keyed = isinstance(state, Cells) and state.keys_shape is not None
    if isinstance(state, Counter):
        return f"write {name}[key] += n" if keyed else f"write {name}.add(n)"
    return f"write {name}[key].add(value)" if keyed else f"write {name}.add(value)"


def _count(
    low: Lowering,
    statement: ast.AugAssign,
    state: Cells[object],
    key: tuple[ast.expr, Lowered] | None,
    where: ast.expr,
) -> None:
    if not isinstance(state, Counter) or (key is None and state.keys_shape is not None):
        raise low.rejection(
            statement, f"`+=` does not add to {_a(state)}", _how_to_add(state, where)
        )
    if not isinstance(statement.op, ast.Add):
        raise low.rejection(statement, "counters only grow", _how_to_add(state, where))
    amount = low.integer(statement.value)
    add(low, statement.target, state, key, amount, _hint(where))


def _check_sum(low: Lowering, statement: ast.AugAssign, number: object) -> None:
    """Only what the machine does in one step is atomic."""
    target = ast.unparse(statement.target)
    if not isinstance(statement.op, ast.Add | ast.Sub):
        raise low.rejection(
            statement,
            "only += and -= are atomic in a map",
            f"write {target} = {target} ... where no other CPU changes it at the same time",
        )
    if number is None:
        raise low.rejection(statement, f"{target} is not an integer that can be added to")
    if getattr(number, "size", 0) < _WORD:
        raise low.rejection(
            statement,
            "an integer of 8 or 16 bits cannot be added to atomically",
            "declare it as u32 or u64",
        )


def _atomic(
    low: Lowering, statement: ast.AugAssign, pointer: Value, field: FieldMeta, amount: IntValue
) -> None:
    """Add to an integer in a map; it wraps at its width."""
    span = low.span(statement)
    number: Value
    if field.size == _WORD:
        number = fit(low, statement.value, amount.value, IntType(32, signed=field.signed), "+=")
    else:
        number = as_u64(low, statement, amount.value)
    if isinstance(statement.op, ast.Sub):
        assert isinstance(number.type, IntType)
        negated = low.reg(number.type)
        low.add(Binary(negated, BinaryOp.SUB, Const(0, number.type), number, span=span))
        number = negated
    low.add(AtomicAdd(pointer, number, field.offset, span=span))


def _delete(low: Lowering, target: ast.expr) -> bool:
    """``del m[k]``; False where the target is no state."""
    if not isinstance(target, ast.Subscript):
        return False
    state = state_of(low.expr(target.value))
    if state is None:
        return False
    if not isinstance(state, Hash):
        raise low.rejection(target, f"the elements of {_a(state)} cannot be deleted")
    access = Access(low, target, state, _hint(target.value))
    key = _key(access, (target.slice, low.expr(target.slice)))
    _remove(access, key)
    return True


def _remove(access: Access, key: Value) -> None:
    low = access.low
    missing = access.delete(key)
    absent, done = low.builder.label("absent"), low.builder.label("deleted")
    low.add(BranchOp(missing, absent, done, span=low.span(access.node)))
    access.raise_at(absent, "KeyError")
    low.builder.start(done)


# ---------------------------------------------------------------- attributes and methods


def _attribute(low: Lowering, node: ast.Attribute, base: Lowered) -> Lowered:
    """An attribute of a state, or of a struct in a map."""
    if isinstance(base, ElementValue):
        return read_part(low, node, _field(low, node, base), base.pointer)
    if isinstance(base, ItemValue):
        if node.attr == "add":
            return MethodValue(base, "add")
        held = base.state
        assert isinstance(held, Cells)
        raise low.rejection(
            node, f"a probe can only add to {_a(held)}", _how_to_add(held, node.value)
        )
    state = state_of(base)
    assert state is not None
    if isinstance(state, Var) and node.attr == "value":
        access = Access(low, node, state, _hint(node.value))
        return read_value(low, node, state, _found(access, _key(access, (node, PyValue(0)))))
    if _method(base, node.attr) is not None:
        return MethodValue(base, node.attr)
    if isinstance(state, Cells):
        raise low.rejection(
            node, f"a probe can only add to {_a(state)}", _how_to_add(state, node.value)
        )
    known = [name for kind, names in _METHODS.items() if isinstance(state, kind) for name in names]
    raise low.rejection(
        node,
        f"a probe cannot use '{node.attr}' of {_a(state)}",
        f"it can use {', '.join(known)}" if known else "it can use [...]",
    )


def _field(low: Lowering, node: ast.Attribute, base: ElementValue) -> FieldMeta:
    held = base.state
    assert isinstance(held, State)
    for field in held.plan.value.fields:
        if field.name == node.attr:
            return field
    shape = held.plan.value
    known = ", ".join(field.name for field in shape.fields)
    raise low.rejection(node, f"struct {shape} has no field '{node.attr}'", f"it has {known}")


def _arguments(low: Lowering, node: ast.Call, least: int, most: int) -> list[ast.expr]:
    name = ast.unparse(node.func)
    for keyword in node.keywords:
        raise low.rejection(keyword, f"{name}() takes no keyword '{keyword.arg}' in a probe")
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise low.rejection(
            node, f"{name}() takes {wanted} arguments, this gives {len(node.args)}"
        )
    return list(node.args)


def _receiver(node: ast.Call) -> ast.expr:
    assert isinstance(node.func, ast.Attribute)
    return node.func.value


def _add(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``counter.add(n)``, ``hist.add(v)``, ``hist[k].add(v)``, ``top.add(k, n)``."""
    where = _receiver(node)
    if isinstance(receiver, ItemValue):
        held, item = receiver.state, receiver.node
        assert isinstance(held, Cells)
        assert isinstance(item, ast.Subscript)
        given = _arguments(low, node, 0 if isinstance(held, Counter) else 1, 1)
        amount = low.integer(given[0]) if given else IntValue(Const(1, I64), I64)
        add(low, node, held, (item.slice, receiver.key), amount, _hint(item.value))
        return PyValue(None)
    state = state_of(receiver)
    assert isinstance(state, Cells)
    keyed = state.keys_shape is not None
    if not isinstance(state, Counter):
        if keyed:
            raise low.rejection(node, f"this {_name(state)} has keys", _how_to_add(state, where))
        (given_value,) = _arguments(low, node, 1, 1)
        add(low, node, state, None, low.integer(given_value), _hint(where))
        return PyValue(None)
    given = _arguments(low, node, int(keyed), 1 + keyed)
    key = (given[0], low.expr(given[0])) if keyed else None
    rest = given[int(keyed) :]
    amount = low.integer(rest[0]) if rest else IntValue(Const(1, I64), I64)
    add(low, node, state, key, amount, _hint(where))
    return PyValue(None)


def _get(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``m.get(k, d)``."""
    state = state_of(receiver)
    assert state is not None
    given = _arguments(low, node, 1, 2)
    if len(given) == 1:
        raise low.rejection(
            node, "get() without a default would be None for a missing key", "write get(key, 0)"
        )
    _need_plain(low, node, state)
    access = Access(low, node, state, _hint(_receiver(node)))
    found = access.lookup(_key(access, (given[0], low.expr(given[0]))))
    missing, there, end = (low.builder.label(hint) for hint in ("missing", "there", "got"))
    access.branch_null(found, missing, there)
    join = Join(low, node)
    low.builder.start(there)
    join.store(node, read_value(low, node, state, found))
    low.jump(end)
    low.builder.start(missing)
    join.store(given[1], low.known(given[1], low.expr(given[1])))
    low.jump(end)
    low.builder.start(end)
    return join.load()


def _pop(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``m.pop(k)`` and ``m.pop(k, d)``: of two CPUs that pop one key, one gets it."""
    state = state_of(receiver)
    assert state is not None
    given = _arguments(low, node, 1, 2)
    _need_plain(low, node, state)
    access = Access(low, node, state, _hint(_receiver(node)))
    key = _key(access, (given[0], low.expr(given[0])))
    found = access.lookup(key)
    if len(given) == 1:
        access.need(found, "KeyError")
        value = read_value(low, node, state, found)
        _remove(access, key)
        return value
    there, taken, missing, end = (
        low.builder.label(hint) for hint in ("there", "taken", "missing", "popped")
    )
    access.branch_null(found, missing, there)
    join = Join(low, node)
    low.builder.start(there)
    value = read_value(low, node, state, found)
    low.add(BranchOp(access.delete(key), missing, taken, span=low.span(node)))
    low.builder.start(taken)
    join.store(node, value)
    low.jump(end)
    low.builder.start(missing)
    join.store(given[1], low.known(given[1], low.expr(given[1])))
    low.jump(end)
    low.builder.start(end)
    return join.load()


def _need_plain(low: Lowering, node: ast.Call, state: State) -> None:
    shape = state.plan.value
    if shape.form != "one" or is_buffer(shape.fields[0]):
        raise low.rejection(
            node.func,
            f"{ast.unparse(node.func)}() works for numbers and bools; these values are {shape}",
            "test with `in`, then use [key] and del",
        )


def _set(low: Lowering, node: ast.Call, receiver: Lowered) -> Lowered:
    """``var.set(x)``."""
    state = state_of(receiver)
    assert state is not None
    (given,) = _arguments(low, node, 1, 1)
    _store(low, node, state, (node, PyValue(0)), (given, low.expr(given)))
    return PyValue(None)


def _need_keys(low: Lowering, node: ast.Subscript, state: Cells[object]) -> None:
    if state.keys_shape is None:
        raise low.rejection(
            node,
            f"this {_name(state)} has no keys",
            f"declare {_name(state)}[u32](), or {_how_to_add(state, node.value)}",
        )


_METHODS: dict[type, dict[str, MethodHandler]] = {
    Hash: {"get": _get, "pop": _pop},
    Cells: {"add": _add},
    Var: {"set": _set},
}


def _method(receiver: Lowered, name: str) -> MethodHandler | None:
    if isinstance(receiver, ItemValue):
        return _add if name == "add" else None
    held = receiver.value if isinstance(receiver, PyValue) else None
    for kind, methods in _METHODS.items():
        if isinstance(held, kind):
            return methods.get(name)
    return None


def _construct(low: Lowering, node: ast.Call, cls: type[Struct]) -> Lowered:
    """``SomeStruct(a=..., b=...)``."""
    shape = shape_of(cls, cls.__name__)
    if node.args:
        names = ", ".join(f"{field.name}=..." for field in shape.fields)
        raise low.rejection(
            node.args[0], "a struct's fields are given by name", f"write {cls.__name__}({names})"
        )
    wanted = {field.name: field for field in shape.fields}
    given: dict[str, Value] = {}
    for keyword in node.keywords:
        field = wanted.get(keyword.arg or "")
        if field is None:
            raise low.rejection(
                keyword,
                f"struct {cls.__name__} has no field '{keyword.arg}'",
                f"it has {', '.join(wanted)}",
            )
        given[field.name] = store(low, keyword.value, field, low.expr(keyword.value))
    for each in struct_fields(cls):
        if each.name not in given and each.default is not MISSING:
            given[each.name] = store(low, node, wanted[each.name], PyValue(each.default))
    missing = [name for name in wanted if name not in given]
    if missing:
        raise low.rejection(
            node, f"struct {cls.__name__} lacks {', '.join(missing)}", "give every field a value"
        )
    return StructValue(cls, tuple((name, given[name]) for name in wanted))


def _length(low: Lowering, node: ast.expr, state: State) -> Lowered:
    """``len(a)``: an array's is known when compiling."""
    if isinstance(state, Array):
        return PyValue(state.plan.entries)
    raise low.rejection(node, f"a probe cannot count the keys of {_a(state)}")


class _Handlers:
    """See `context.StateHandlers`."""

    item = staticmethod(_item)
    contains = staticmethod(_contains)
    assign = staticmethod(_assign)
    augment = staticmethod(_augment)
    delete = staticmethod(_delete)
    attribute = staticmethod(_attribute)
    method = staticmethod(_method)
    construct = staticmethod(_construct)
    length = staticmethod(_length)


HANDLERS: StateHandlers = _Handlers()
