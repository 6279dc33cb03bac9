"""Probes of the BTF kinds that BPF_BTF_LOAD takes, each with the smallest BTF that has one.

Names and BTF are those of libbpf's FEAT_BTF_* probes; ``syscast.btf.strip`` takes the names
without ``btf_``.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from syscast.features.feature import Feature, Result, attempt
from syscast.kernel import bpfprogs

if TYPE_CHECKING:
    from collections.abc import Callable

_INT = 1
_PTR = 2
_FUNC = 12
_FUNC_PROTO = 13
_VAR = 14
_DATASEC = 15
_FLOAT = 16
_DECL_TAG = 17
_TYPE_TAG = 18
_ENUM64 = 19
_GLOBAL = 1
_FLAG = 1 << 31

_STRINGS = b"\0a\0x\0?.data\0"
_NAME_A = 1
_NAME_X = 3
_NAME_QMARK = 5


def _type(name: int, kind: int, word: int, *extra: int, vlen: int = 0) -> bytes:
    return struct.pack(f"<{3 + len(extra)}I", name, kind << 24 | vlen, word, *extra)


# Type 1 of every probe: a signed int of 4 bytes.
_INT32 = _type(_NAME_A, _INT, 4, 1 << 24 | 32)


def blob(*types: bytes) -> bytes:
    """BTF of an int, type 1, and these types, from 2 on."""
    body = b"".join((_INT32, *types))
    header = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(body), len(body), len(_STRINGS))
    return header + body + _STRINGS


def _loads(*types: bytes) -> Callable[[], Result]:
    def probe() -> Result:
        return attempt(lambda: bpfprogs.btf_load(blob(*types), "probe").close())

    return probe


def _datasec(name: int) -> bytes:
    return _type(name, _DATASEC, 4, 2, 0, 4, vlen=1)


_PROTO = _type(0, _FUNC_PROTO, 0, _NAME_A, 1, vlen=1)
_STATIC_VAR = _type(_NAME_X, _VAR, 1, 0)

ROWS = (
    Feature("btf", "programs may carry BTF", "no line numbers in refusals", _loads()),
    Feature(
        "btf_func",
        "BTF of functions",
        "functions are left out of BTF",
        _loads(_PROTO, _type(_NAME_X, _FUNC, 2)),
    ),
    Feature(
        "btf_func_global",
        "BTF of global functions",
        "functions are marked as static",
        _loads(_PROTO, _type(_NAME_X, _FUNC, 2, vlen=_GLOBAL)),
    ),
    Feature(
        "btf_datasec",
        "BTF of variables and sections",
        "sections become structs",
        _loads(_STATIC_VAR, _datasec(_NAME_X)),
    ),
    Feature(
        "btf_qmark_datasec",
        "BTF of sections whose name has a question mark",
        "the name is changed",
        _loads(_STATIC_VAR, _datasec(_NAME_QMARK)),
    ),
    Feature(
        "btf_float",
        "BTF of floating point numbers",
        "they become structs",
        _loads(_type(_NAME_X, _FLOAT, 4)),
    ),
    Feature(
        "btf_decl_tag",
        "BTF of declaration tags",
        "they become ints",
        _loads(_type(_NAME_X, _VAR, 1, _GLOBAL), _type(_NAME_A, _DECL_TAG, 2, 0xFFFFFFFF)),
    ),
    Feature(
        "btf_type_tag",
        "BTF of type tags",
        "they become const",
        _loads(_type(_NAME_X, _TYPE_TAG, 1), _type(0, _PTR, 2)),
    ),
    Feature(
        "btf_enum64",
        "BTF of 64-bit enums",
        "they become unions",
        _loads(_type(_NAME_X, _ENUM64 | _FLAG >> 24, 8, _NAME_A, 1, 0, vlen=1)),
    ),
)
