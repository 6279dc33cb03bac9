import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.lookup import Btf
from syscast.btf.types import Enum, EnumValue, FuncProto, Int, Member, Param, Ptr, Struct, Void
from syscast.errors import UsageError


def test_strings_are_kept_once():
    builder = BtfBuilder()
    assert builder.string("") == 0
    first = builder.string("name")
    assert builder.string("name") == first
    builder.add(Int("name", 4, 0, 32))
    assert builder.encode().count(b"name\0") == 1


def test_a_struct_that_points_at_itself():
    builder = BtfBuilder()
    struct_id = builder.reserve()
    pointer = builder.add(Ptr(struct_id))
    builder.define(struct_id, Struct("list", 8, (Member("next", pointer, 0),)))
    btf = Btf.from_bytes(builder.encode())
    assert btf.find("list", Struct) == struct_id
    assert btf.type(btf.type(struct_id).members[0].type_id) == Ptr(struct_id)
    with pytest.raises(ValueError, match="defined already"):
        builder.define(struct_id, Ptr(0))


@pytest.mark.parametrize(
    "made",
    [
        Ptr(-1),
        Ptr(1 << 32),
        Enum("e", 4, (EnumValue("A", 1 << 32),)),
        Enum("e", 4, (EnumValue("A", -1),)),
        Struct("s", 4, (Member("a", 1, 1 << 24, 3),)),
        Struct("s", 4, (Member("a", 1, 0, 256),)),
        Struct("s", 4, (Member("a\0b", 1, 0),)),
        FuncProto(0, (Param("", 1),) * 65536),
        Void(),
    ],
    ids=lambda made: type(made).__name__ + str(hash(str(made)))[-6:],
)
def test_what_does_not_fit_is_refused(made):
    builder = BtfBuilder()
    builder.add(made)
    with pytest.raises(UsageError, match="encode"):
        builder.encode()
