"""Keys and values as text and back."""

from __future__ import annotations

import ctypes as ct

import pytest

from syscast.bcc.leaftext import scanned, spelled


class Symbol(ct.Structure):
    _fields_ = (("name", ct.c_char * 8), ("path", ct.c_ubyte * 8))


class Event(ct.Structure):
    _pack_ = 1
    _fields_ = (
        ("pid", ct.c_uint),
        ("__pad_1", ct.c_char * 4),
        ("delta", ct.c_int),
        ("low", ct.c_uint, 4),
        ("high", ct.c_uint, 28),
        ("stack", Symbol * 2),
        ("numbers", ct.c_ushort * 3),
    )


def test_integers():
    assert spelled(ct.c_uint(2)) == b"0x2"
    assert spelled(ct.c_int(-1)) == b"0xffffffff"
    assert spelled(ct.c_char(b"a")) == b"0x61"
    assert scanned(ct.c_int(), b"0xffffffff").value == -1
    assert scanned(ct.c_int(), "-3").value == -3
    assert scanned(ct.c_char(), "0x61").value == b"a"


def test_structs_there_and_back():
    event = Event(pid=1, delta=-2, low=3, high=4)
    event.stack[0].name = b"libxyz"
    event.stack[0].path = (ct.c_ubyte * 8)(*b"/usr")
    event.numbers = (ct.c_ushort * 3)(1, 2, 3)
    text = spelled(event)
    assert text == (
        b'{ 0x1 0xfffffffe 0x3 0x4 [ { "libxyz" "/usr" } { "" "" } ] [ 0x1 0x2 0x3 ] }'
    )
    again = scanned(Event(), text)
    assert bytes(again) == bytes(event)


def test_unions_show_their_first_member():
    class Either(ct.Union):
        _fields_ = (("number", ct.c_uint), ("bytes", ct.c_ubyte * 4))

    assert spelled(Either(number=5)) == b"{ 0x5 }"
    assert scanned(Either(), "{ 0x5 }").number == 5


@pytest.mark.parametrize("text", ["{ 0x1", "{ 0x1 }", "0x1", "{ x }", ""])
def test_other_texts_are_refused(text):
    with pytest.raises(ValueError, match="table text"):
        scanned(Event(), text)


def test_more_than_the_type_holds_is_refused():
    with pytest.raises(ValueError, match="more of it"):
        scanned(ct.c_uint(), "0x1 0x2")
