"""Rows of tables whose columns are plain members: what is shown, as expressions.

Where kernels call a member differently, a column has several expressions; the first that the running
kernel's BTF can answer is taken, and a column that it cannot answer is left out. Tables that nobody knows
here get the numbers and texts of their element.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from syscast.btf.layout import find_member, members
from syscast.btf.types import Array, Enum, Int, Ptr, Struct
from syscast.probes.iterator import object_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from syscast.btf.lookup import Btf
    from syscast.probes.kind import Target

_MOST = 16
"""Columns of a table that nobody knows."""
_LONGEST_TEXT = 64

COLUMNS: dict[str, tuple[tuple[str, ...], ...]] = {
    "bpf_map": (
        ("map.id",),
        ("map.map_type as type",),
        ("map.name",),
        ("map.key_size",),
        ("map.value_size",),
        ("map.max_entries",),
        ("map.map_flags as flags",),
        ("map.usercnt.counter as users",),
        ("map.frozen",),
    ),
    "bpf_prog": (
        ("prog.aux.id as id",),
        ("prog.type",),
        ("prog.aux.name as name",),
        ("prog.expected_attach_type as attach_type",),
        ("prog.aux.attach_func_name as target",),
        ("prog.jited_len as jited",),
        ("prog.aux.used_map_cnt as maps",),
        ("prog.aux.load_time as loaded",),
    ),
    "bpf_link": (
        ("link.id",),
        ("link.type",),
        ("link.prog.aux.id as prog",),
        ("link.prog.aux.name as name",),
    ),
    "ksym": (
        ("ksym.value as address",),
        ("ksym.type",),
        ("ksym.name",),
        ("ksym.module_name as module",),
        ("ksym.exported",),
    ),
    "cgroup": (
        ("cgroup.kn.id as id",),
        ("cgroup.level",),
        ("cgroup.nr_descendants as descendants",),
        ("cgroup.nr_dying_descendants as dying",),
        ("cgroup.nr_populated_csets as populated",),
        ("cgroup.kn.id as path",),
    ),
    "ipv6_route": (
        ("rt.fib6_dst.addr as destination",),
        ("rt.fib6_dst.plen as length",),
        ("rt.fib6_nh[0].nh_common.nhc_gw.ipv6 as gateway",),
        ("rt.fib6_nh[0].nh_common.nhc_oif as interface",),
        ("rt.fib6_metric as metric",),
        ("rt.fib6_type as type",),
        ("rt.fib6_protocol as protocol",),
        ("rt.fib6_flags as flags",),
    ),
    "kmem_cache": (
        ("kernel_str(s.name, 64) as name",),
        ("s.object_size",),
        ("s.size",),
        ("s.align",),
        ("s.flags",),
        ("s.refcount as aliases",),
    ),
    "dmabuf": (
        ("dmabuf.size",),
        ("dmabuf.file.f_inode.i_ino as inode",),
        ("kernel_str(dmabuf.exp_name, 64) as exporter",),
    ),
    "sockmap": (
        ("map.id as map",),
        ("sk.skc_num as port",),
        ("sk.skc_dport as peer_port",),
        ("sk.skc_state as state",),
        ("sk.skc_net.net.ns.inum as netns",),
    ),
    "bpf_sk_storage_map": (
        ("map.id as map",),
        ("sk.skc_num as port",),
        ("sk.skc_dport as peer_port",),
        ("sk.skc_state as state",),
        ("sk.skc_net.net.ns.inum as netns",),
    ),
}
"""By table: the columns, and of each the expressions of which the first that fits is taken."""


def texts(target: Target, types: Btf, sizes: tuple[int, int] = (0, 0)) -> list[str]:
    """The expressions of a table's columns.

    Args:
        target: The table.
        types: The BTF that declares it.
        sizes: Of key and value, for the elements of a map.
    """
    if target.name == "bpf_map_elem":
        return [*_words("key", sizes[0]), *_words("value", sizes[1])]
    known = COLUMNS.get(target.name)
    if known is None:
        return list(_members(target, types))
    found = []
    for alternatives in known:
        text = next((each for each in alternatives if _fits(each, target, types)), None)
        if text is not None:
            found.append(text)
    return found


def _words(name: str, size: int) -> Iterator[str]:
    """The numbers that memory of a size is shown as: eight bytes each, and what is left."""
    whole = size in {1, 2, 4, 8}
    at = 0
    while at < size:
        width = next(each for each in (8, 4, 2, 1) if at % each == 0 and at + each <= size)
        label = name if whole else f"{name}_{at}"
        yield f'cast("u{width * 8} *", {name})[{at // width}] as {label}'
        at += width


def _fits(text: str, target: Target, types: Btf) -> bool:
    """Whether BTF has the members that an expression names."""
    tree = ast.parse(text.partition(" as ")[0], mode="eval").body
    if isinstance(tree, ast.Call):
        tree = tree.args[0]
    return _type_of(tree, target, types) is not None


def _type_of(node: ast.expr, target: Target, types: Btf) -> int | None:
    match node:
        case ast.Name(id=name):
            found = [each.type_id for each in target.arguments if each.name == name]
            return found[0] if found else None
        case ast.Subscript(value=inner):
            held = _type_of(inner, target, types)
            kind = types.type(types.resolve(held)) if held is not None else None
            return kind.element_id if isinstance(kind, Array) else None
        case ast.Attribute(value=inner, attr=name):
            held = _type_of(inner, target, types)
            if held is None:
                return None
            kind = types.type(types.resolve(held))
            if isinstance(kind, Ptr):
                held = kind.type_id
                kind = types.type(types.resolve(held))
            path = find_member(types, held, name) if isinstance(kind, Struct) else None
            return path.type_id if path is not None else None
        case _:
            return None


def _members(target: Target, types: Btf) -> Iterator[str]:
    """The plain members of the element, and arguments that are plain themselves."""
    element = object_of(target, types)
    seen: set[str] = set()
    for each in target.arguments:
        if isinstance(types.type(types.resolve(each.type_id)), Int | Enum):
            seen.add(each.name)
            yield each.name
    pointer = next((each.type_id for each in target.arguments if each.name == element), 0)
    held = types.type(types.resolve(pointer))
    if not isinstance(held, Ptr):
        return
    for member in members(types, held.type_id):
        if len(seen) == _MOST:
            return
        name = member.name.rpartition(".")[2]
        if name.isidentifier() and name not in seen and _is_plain(types, member.type_id):
            seen.add(name)
            yield f"{element}.{name}"


def _is_plain(types: Btf, type_id: int) -> bool:
    kind = types.type(types.resolve(type_id))
    if isinstance(kind, Array):
        element = types.type(types.resolve(kind.element_id))
        is_text = isinstance(element, Int) and element.name == "char"
        return is_text and 0 < kind.count <= _LONGEST_TEXT
    return isinstance(kind, Int | Enum) and getattr(kind, "size", 0) <= 8


def names(found: Sequence[str]) -> list[str]:
    """What the columns of expressions are called."""
    return [each.rpartition(" as ")[2].rpartition(".")[2].strip() for each in found]
