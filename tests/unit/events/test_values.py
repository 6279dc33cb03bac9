"""Round trips: what the kernel side packs is what the fields say, and back."""

import json
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.fieldtypes import FieldType
from syscast.events.values import KINDS, reader, text, writer

INTS = [FieldType("int", size, signed) for size in (1, 2, 4, 8) for signed in (False, True)]
CHARS = st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])


def back(field, raw):
    read = reader(field)
    return raw if read is None else read(raw)


@pytest.mark.parametrize("field", INTS, ids=str)
@given(number=st.integers(-(1 << 65), 1 << 65))
def test_integers_fit_or_are_refused(field, number):
    bits = field.size * 8
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if field.signed else (0, (1 << bits) - 1)
    if low <= number <= high:
        raw = KINDS["int"].encode(field, number)
        assert raw.to_bytes(field.size, "little", signed=field.signed)
        assert back(field, raw) == number
    else:
        with pytest.raises(OverflowError, match=f"{number} does not fit in {field}"):
            KINDS["int"].encode(field, number)


@given(st.text(CHARS, max_size=15))
def test_strings(value):
    field = FieldType("str", 64)
    raw = KINDS["str"].encode(field, value)
    assert len(raw) == 64
    assert back(field, raw) == value


@given(st.binary(max_size=16))
def test_byte_arrays(value):
    field = FieldType("bytes", 16)
    raw = KINDS["bytes"].encode(field, value)
    assert back(field, raw) == value.ljust(16, b"\0")
    assert bytes.fromhex(writer(field)(raw)) == raw


@given(st.ip_addresses())
def test_addresses(address):
    either = FieldType("ip", 20)
    raw = KINDS["ip"].encode(either, address)
    assert len(raw) == 20
    assert int.from_bytes(raw[:2], "little") == (2 if address.version == 4 else 10)
    assert back(either, raw) == address
    assert KINDS["ip"].encode(either, str(address)) == raw

    v6 = FieldType("ipv6", 16)
    seen = back(v6, KINDS["ipv6"].encode(v6, address))
    assert address in {seen, seen.ipv4_mapped}


@given(st.ip_addresses(v=4))
def test_ipv4_text_is_that_of_the_library(address):
    field = FieldType("ipv4", 4)
    raw = KINDS["ipv4"].encode(field, address)
    assert raw == address.packed
    assert writer(field)(raw) == str(address)
    assert KINDS["ipv4"].encode(field, int(address)) == raw
    assert back(field, raw) == address


@given(st.binary(min_size=20, max_size=20))
def test_an_address_of_any_family_is_shown(raw):
    address = back(FieldType("ip", 20), raw)
    assert isinstance(address, (IPv4Address, IPv6Address))
    assert writer(FieldType("ip", 20))(raw)


@pytest.mark.parametrize(
    ("kind", "size", "value"),
    [
        ("int", 4, "1"),
        ("int", 4, 1.0),
        ("bool", 1, "x"),
        ("str", 8, 1),
        ("bytes", 8, "x"),
        ("ipv4", 4, IPv6Address("::1")),
        ("ipv6", 16, 1.5),
        ("ip", 20, 7),
        ("ip", 20, None),
    ],
)
def test_values_of_another_type_are_refused(kind, size, value):
    with pytest.raises((TypeError, ValueError)):
        KINDS[kind].encode(FieldType(kind, size), value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (False, "false"), (12, "12"), ("a\nb", r"a\x0ab"), (-1, "-1")],
    ids=str,
)
def test_text_for_people(value, shown):
    assert text(value) == shown
    json.dumps(value)
