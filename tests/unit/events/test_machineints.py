"""The machine's integers called from plain Python."""

import pytest

import syscast as sc
from syscast import i8, i64, u8, u16, u64, wrap32, wrap64


@pytest.mark.parametrize(
    ("cast", "value"),
    [
        (u8, 0),
        (u8, 255),
        (i8, -128),
        (i8, 127),
        (u64, (1 << 64) - 1),
        (i64, -(1 << 63)),
        (u8, True),
    ],
)
def test_what_fits_is_a_plain_int(cast, value):
    assert type(cast(value)) is int
    assert cast(value) == value


@pytest.mark.parametrize(
    ("cast", "value"),
    [(u8, 256), (u8, -1), (i8, 128), (u16, 70000), (u64, 1 << 64), (i64, 1 << 63)],
)
def test_what_does_not_fit_overflows(cast, value):
    with pytest.raises(OverflowError, match=f"{value} does not fit {cast.__name__}"):
        cast(value)


@pytest.mark.parametrize("value", ["1", 1.0, None])
def test_only_integers_are_cast(value):
    with pytest.raises(TypeError):
        u8(value)


def test_wrapping():
    assert (wrap32(-1), wrap64(-1), wrap64(1 << 64)) == ((1 << 32) - 1, (1 << 64) - 1, 0)


def test_they_stay_annotations_of_fields():
    class Listen(sc.Event):
        port: u16

    assert Listen(port=80).port == 80
    with pytest.raises(OverflowError):
        Listen(port=70000)
