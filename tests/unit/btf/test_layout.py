import time

import pytest

from syscast.btf.encode import BtfBuilder
from syscast.btf.layout import find_member, members, near_members
from syscast.btf.lookup import Btf
from syscast.btf.types import Array, Member, Struct, Typedef
from syscast.errors import FormatError


def test_a_member_in_an_embedded_and_anonymous_struct(small):
    sock = small.sock()
    path = find_member(small.btf(), sock, "skc_num")
    assert path.names == ("__sk_common", "skc_num")
    assert path.name == "__sk_common.skc_num"
    assert path.access == (0, 1, 1, 1)
    assert path.access_string == "0:0:1:1:1"
    assert path.bit_offset == 80
    assert path.offset == 10
    assert path.type_id == small.u16
    assert path.root == sock
    assert not path.bitfield_size
    assert not path.flexible


def test_a_bit_field(small):
    sock = small.sock()
    path = find_member(small.btf(), sock, "skc_reuseport")
    assert (path.bit_offset, path.bitfield_size, path.offset) == (100, 1, 12)


def test_keywords_take_an_underscore(small):
    sock = small.sock()
    btf = small.btf()
    assert find_member(btf, sock, "from_").names == ("from",)
    assert find_member(btf, sock, "from").names == ("from",)
    assert find_member(btf, sock, "sk_name_") is None


def test_a_flexible_array_is_flagged(small):
    sock = small.sock()
    btf = small.btf()
    assert find_member(btf, sock, "sk_data").flexible
    assert not find_member(btf, sock, "sk_name").flexible


def test_through_a_typedef_of_a_const(small):
    small.sock()
    btf = small.btf()
    typedef = btf.find("sock_t", Typedef)
    path = find_member(btf, typedef, "skc_num")
    assert path.root == typedef
    assert path.offset == 10


def test_the_nearest_member_wins(small):
    deep = small.struct("deep", 8, Member("x", small.int, 0), Member("only", small.int, 32))
    outer = small.struct("outer", 16, Member("__deep", deep, 0), Member("x", small.int, 64))
    btf = small.btf()
    assert find_member(btf, outer, "x").names == ("x",)
    assert find_member(btf, outer, "only").names == ("__deep", "only")


def test_ordinary_embedded_structs_are_not_searched(small):
    deep = small.struct("deep", 8, Member("x", small.int, 0))
    outer = small.struct("outer", 16, Member("deep", deep, 0))
    assert find_member(small.btf(), outer, "x") is None


def test_nothing_is_found_in_what_is_no_struct(small):
    btf = small.btf()
    assert find_member(btf, small.int, "x") is None
    assert list(members(btf, small.int)) == []


def test_members_in_order_with_offsets(small):
    sock = small.sock()
    btf = small.btf()
    common = btf.find("sock_common", Struct)
    listed = [(path.name, path.bit_offset, path.access) for path in members(btf, common)]
    assert listed == [
        ("skc_hash", 0, (0,)),
        ("skc_portpair", 64, (1, 0)),
        ("skc_dport", 64, (1, 1, 0)),
        ("skc_num", 80, (1, 1, 1)),
        ("skc_reuse", 96, (2,)),
        ("skc_reuseport", 100, (3,)),
    ]
    assert [path.name for path in members(btf, sock)] == [
        "__sk_common",
        "from",
        "sk_name",
        "sk_data",
    ]


def test_near_members(small):
    sock = small.sock()
    btf = small.btf()
    assert near_members(btf, sock, "skc_nun")[0] == "skc_num"
    assert near_members(btf, sock, "sk_nam")[0] == "sk_name"
    assert near_members(btf, sock, "zzzzzz") == []


def fan_out(depth):
    """Each struct holds the next one twice, unnamed: 2 ** depth ways to the bottom."""
    builder = BtfBuilder()
    inner = builder.add(Struct("", 4, ()))
    for _ in range(depth):
        inner = builder.add(Struct("", 4, (Member("", inner, 0), Member("", inner, 0))))
    return Btf.from_bytes(builder.encode()), inner


def test_structs_that_fan_out_do_not_take_forever():
    btf, struct_id = fan_out(40)
    started = time.monotonic()
    assert find_member(btf, struct_id, "x") is None
    assert near_members(btf, struct_id, "x") == []
    with pytest.raises(FormatError, match="too many members"):
        list(members(btf, struct_id))
    assert time.monotonic() - started < 10


def test_structs_that_contain_themselves():
    builder = BtfBuilder()
    struct_id = builder.reserve()
    builder.define(
        struct_id, Struct("", 4, (Member("", struct_id, 0), Member("__a", struct_id, 0)))
    )
    btf = Btf.from_bytes(builder.encode())
    assert find_member(btf, struct_id, "x") is None
    assert near_members(btf, struct_id, "__b") == ["__a"]
    with pytest.raises(FormatError):
        list(members(btf, struct_id))


def test_a_long_chain_of_anonymous_structs_is_refused():
    builder = BtfBuilder()
    inner = builder.add(Struct("", 4, (Member("x", 1, 0),)))
    for number in range(2000):
        inner = builder.add(Struct("", 4 + number, (Member("", inner, 0),)))
    btf = Btf.from_bytes(builder.encode())
    for question in (
        lambda: find_member(btf, inner, "y"),
        lambda: near_members(btf, inner, "y"),
        lambda: list(members(btf, inner)),
    ):
        with pytest.raises(FormatError, match="too deeply"):
            question()


def test_flexible_array_of_a_typedef(small):
    array = small.add(Typedef("bytes_t", small.add(Array(small.char, small.int, 0))))
    holder = small.struct("holder", 4, Member("n", small.int, 0), Member("data", array, 32))
    assert find_member(small.btf(), holder, "data").flexible
