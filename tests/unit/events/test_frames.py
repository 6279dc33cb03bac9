import io
import random
import struct

import pytest

from syscast.errors import FormatError
from syscast.events.frames import END, DamagedError, FrameReader, seal


def message(metadata=b"m" * 24, body=b"b" * 64):
    return struct.pack("<II", 0xFFFFFFFF, len(metadata)) + metadata + body


def written(*bodies, events=10):
    parts = []
    for number, body in enumerate(bodies):
        parts += seal(message(body=body), number, events * number)
    return b"".join([*parts, END])


def read(data, **options):
    reader = FrameReader(io.BytesIO(data), "x", **options)
    found = []
    while (frame := reader.next()) is not None:
        found.append(frame)
    return found


def test_messages_come_back_with_room_behind_their_metadata():
    first, second = read(written(b"", b"12345678"))
    assert bytes(first.data)[8:32] == b"m" * 24
    assert struct.unpack_from("<II", first.data) == (0xFFFFFFFF, 24 + 40)
    assert bytes(second.data[-8:]) == b"12345678"
    assert (first.events, second.events) == (0, 10)


def test_skimming_passes_over_bodies():
    found = read(written(b"", b"x" * 800), skim=True)
    assert [len(frame.data) for frame in found] == [8 + 24 + 40] * 2
    reader = FrameReader(io.BytesIO(written(b"x" * 800, b"y" * 8)), "x", skim=True)
    reader.next()
    assert reader.at == 8 + 24 + 40 + 800
    whole = reader.next(whole=True)
    assert bytes(whole.data[-8:]) == b"y" * 8


def test_notes_stand_before_the_seal():
    sealed = b"".join([*seal(message(), 0, 0, b"what was lost"), END])
    (frame,) = read(sealed)
    assert frame.note == b"what was lost"
    assert len(frame.data) == 8 + 24 + 16 + 40 + 64
    wrong = bytearray(sealed)
    struct.pack_into("<I", wrong, 8 + 24 + 16 + 28, 1 << 20)
    with pytest.raises(DamagedError, match="its note has 1048576 bytes"):
        read(bytes(wrong))


def test_messages_out_of_order_are_damage():
    a, b = (b"".join(seal(message(), number, 0)) for number in (0, 1))
    assert len(read(a + b + END)) == 2
    for wrong in (b + a, a + a, a + b + a):
        with pytest.raises(DamagedError, match=r"message . stands where . has to"):
            read(wrong + END)


@pytest.mark.parametrize("skim", [False, True])
def test_sizes_that_lie(skim):
    data = bytearray(written(b"x" * 64))
    for at, code, value in (
        (4, "<I", 57),
        (4, "<I", 8),
        (4, "<I", 1 << 31),
        (8 + 24 + 8, "<Q", 1 << 62),
        (8 + 24 + 8, "<Q", 63),
        (8 + 24 + 8, "<Q", (1 << 30) - 8),
    ):
        wrong = bytearray(data)
        struct.pack_into(code, wrong, at, value)
        with pytest.raises(FormatError):
            read(bytes(wrong), skim=skim)


def test_every_flip_is_damage():
    data = bytearray(written(b"x" * 64, b"y" * 64))
    rand = random.Random(1)
    for at in range(len(data)):
        bit = 1 << rand.randrange(8)
        data[at] ^= bit
        with pytest.raises(FormatError):
            read(bytes(data))
        data[at] ^= bit


def test_damage_says_where_and_how_much_is_good():
    data = written(b"x" * 64, b"y" * 64)
    first = len(b"".join(seal(message(body=b"x" * 64), 0, 0)))
    with pytest.raises(DamagedError) as caught:
        read(data[:-20])
    assert (caught.value.at, caught.value.events) == (first, 0)
    assert str(caught.value).startswith(f"recording 'x': read: damaged at byte {first}: ")
