import struct

import pytest

from syscast.btf.encode import BtfBuilder, strip_for
from syscast.btf.lookup import Btf
from syscast.btf.types import (
    Const,
    DataSec,
    DeclTag,
    Enum,
    EnumValue,
    Float,
    Func,
    FuncProto,
    Int,
    Member,
    Param,
    Ptr,
    SecVar,
    Struct,
    Typedef,
    TypeTag,
    Var,
)
from syscast.errors import FormatError, UsageError

TYPES = [
    Int("int", 4, 1, 32),  # 1
    FuncProto(1, (Param("ctx", 3),)),  # 2
    Ptr(0),  # 3
    Func("prog", 2, 1),  # 4
    Var("_license", 1, 1),  # 5
    Var("counter", 1, 1),  # 6
    DataSec(".data.x", 16, (SecVar(5, 0, 4), SecVar(6, 12, 4))),  # 7
    Float("double", 8),  # 8
    DeclTag("tag", 4, -1),  # 9
    TypeTag("user", 1),  # 10
    Enum("signed", 4, (EnumValue("A", -1),), signed=True),  # 11
    Enum("wide", 8, (EnumValue("B", 1 << 40), EnumValue("C", 2)), wide=True),  # 12
    DataSec("?maps", 4, (SecVar(6, 0, 4),)),  # 13
]


def encoded():
    builder = BtfBuilder()
    for made in TYPES:
        builder.define(builder.reserve(), made)
    return builder.encode()


def stripped(*unsupported):
    btf = Btf.from_bytes(strip_for(encoded(), set(unsupported)))
    return [btf.type(number) for number in range(1, len(btf))]


def changed(*unsupported):
    types = stripped(*unsupported)
    return {
        i: new for i, (old, new) in enumerate(zip(TYPES, types, strict=False), 1) if old != new
    }


def test_nothing_unsupported_nothing_changed():
    data = encoded()
    assert strip_for(data, set()) == data
    assert stripped("qmark_datasec")[:12] == TYPES[:12]


def test_func_global():
    assert changed("func_global") == {4: Func("prog", 2, 0)}


def test_func():
    assert changed("func") == {
        2: Enum("", 4, (EnumValue("ctx", 3),)),
        4: Typedef("prog", 2),
    }


def test_datasec():
    types = changed("datasec")
    assert types == {
        5: Int("_license", 1, 0, 8),
        6: Int("counter", 1, 0, 8),
        7: Struct("_data_x", 16, (Member("_license", 5, 0), Member("counter", 6, 96))),
        13: Struct("_maps", 4, (Member("counter", 6, 0),)),
    }


def test_qmark_datasec():
    assert changed("qmark_datasec") == {13: DataSec("_maps", 4, (SecVar(6, 0, 4),))}


def test_float():
    assert changed("float") == {8: Struct("", 8, ())}


def test_tags():
    assert changed("decl_tag") == {9: Int("tag", 1, 0, 8)}
    assert changed("type_tag") == {10: Const(1)}


def test_enum64():
    types = stripped("enum64")
    assert types[10] == Enum("signed", 4, (EnumValue("A", 0xFFFFFFFF),))
    assert types[11] == Struct("wide", 8, (Member("B", 14, 0), Member("C", 14, 0)), is_union=True)
    assert types[13:] == [Int("enum64_placeholder", 1, 0, 8)]


def test_all_at_once_leaves_only_the_oldest_kinds():
    everything = ("func", "func_global", "datasec", "qmark_datasec", "float", "decl_tag")
    types = stripped(*everything, "type_tag", "enum64")
    assert len(types) == len(TYPES) + 1
    newer = Func | FuncProto | Var | DataSec | Float | DeclTag | TypeTag
    assert not [made for made in types if isinstance(made, newer)]


def test_an_unknown_name_is_refused():
    with pytest.raises(UsageError, match="enum65 is not known"):
        strip_for(encoded(), {"enum65"})


@pytest.mark.parametrize("size", [0, 10, 24, 60])
def test_damaged_bytes_are_refused(size):
    with pytest.raises(FormatError):
        strip_for(encoded()[:size], {"float"})


def test_a_variable_without_a_type_is_refused():
    builder = BtfBuilder()
    builder.add(DataSec(".data", 4, (SecVar(77, 0, 4),)))
    with pytest.raises(FormatError, match="77"):
        strip_for(builder.encode(), {"datasec"})


def test_a_variable_far_out_is_refused():
    builder = BtfBuilder()
    var = builder.add(Var("v", 0, 1))
    builder.add(DataSec(".data", 4, (SecVar(var, 1 << 30, 4),)))
    with pytest.raises(FormatError, match="too far"):
        strip_for(builder.encode(), {"datasec"})


def test_strings_keep_their_offsets():
    before, after = encoded(), strip_for(encoded(), {"enum64"})
    (size,) = struct.unpack_from("=I", before, 20)
    strings = before[-size:]
    assert strings in after
