from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.text import address_text, clock_text, decode_text, escape


@given(st.binary(max_size=64))
def test_any_bytes_become_text_that_can_be_encoded(raw):
    text = decode_text(raw)
    assert "\0" not in text
    text.encode()  # no surrogates


@given(st.text(max_size=32).filter(lambda text: "\0" not in text))
def test_valid_text_is_kept(text):
    assert decode_text(text.encode() + b"\0rest") == text


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xc3\xa9\0", "café"),
        (b"\xff\xfe", "\\xff\\xfe"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a surrogate, encoded
        (b"\xc3", "\\xc3"),  # cut in the middle of a character
        (b"", ""),
    ],
)
def test_undefined_bytes_are_escaped(raw, text):
    assert decode_text(raw) == text


@given(st.text(max_size=64))
def test_escaped_text_cannot_steer_a_terminal(text):
    assert escape(text).isprintable()
    if text.isprintable():
        assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b2J", r"\x9b2J"),  # the one-character form of the same
        ("a\nb\tc\rd\x7f", r"a\x0ab\x09c\x0dd\x7f"),
        ("\u202e\u2066\u200f", r"\u202e\u2066\u200f"),
        ("\u2028", r"\u2028"),
        ("\U000e0001", r"\U000e0001"),
        ("\udc80", r"\udc80"),
        ("日本語 é", "日本語 é"),
    ],
)
def test_what_is_escaped(text, shown):
    assert escape(text) == shown


def test_addresses():
    assert address_text(IPv4Address("127.0.0.1")) == "127.0.0.1"
    assert address_text(IPv6Address("::1")) == "::1"
    assert address_text(IPv6Address("::ffff:192.0.2.1")) == "::ffff:192.0.2.1"


def test_a_clock_that_no_calendar_knows_is_shown_as_it_is():
    assert clock_text(((1 << 64) - 1) * 10**9 + 1000) == f"@{(1 << 64) - 1}.000001"
