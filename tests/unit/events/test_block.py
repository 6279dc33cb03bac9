import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.events.block import BUSY, DISCARD, is_uniform, walk


@given(st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=8))
def test_walk_finds_the_committed_records(records):
    block = b""
    expected = []
    for data, discarded in records:
        if not discarded:
            expected.append((len(block) + 8, len(data)))
        head = len(data) | (DISCARD if discarded else 0)
        block += head.to_bytes(4, "little") + b"\7\0\0\0" + data + bytes(-len(data) % 8)
    assert list(zip(*walk(block), strict=True)) == expected
    assert walk(memoryview(bytearray(block))) == walk(block)


def test_a_busy_record_ends_the_block(ring):
    block = ring([b"x" * 8, b"y" * 8, b"z" * 8], {1: BUSY})
    starts, lengths = walk(block)
    assert lengths == [8, -1]
    assert starts[0] == 8


@pytest.mark.parametrize("cut", [1, 7, 8, 9, 15])
def test_a_cut_block_loses_its_last_record_only(ring, cut):
    block = ring([b"x" * 8, b"y" * 8])[:-cut]
    assert walk(block)[1] == [8, -1]


@given(st.binary(max_size=200))
def test_garbage_ends(block):
    starts, lengths = walk(block)
    assert len(starts) == len(lengths)
    for start, length in zip(starts, lengths, strict=True):
        assert length == -1 or start + length <= len(block)


def test_uniform_blocks_are_told(ring):
    assert is_uniform(ring([b"ab" * 8] * 3), 16, 2, b"ab")
    assert not is_uniform(ring([b"ab" * 8] * 3), 16, 2, b"ac")
    assert not is_uniform(ring([b"ab" * 8, b"ab" * 8, b"xx" * 8]), 16, 2, b"ab")
    assert not is_uniform(ring([b"ab" * 8, b"ab" * 4]), 16, 2, b"ab")
    assert not is_uniform(ring([b"ab" * 8] * 3, {1: DISCARD}), 16, 2, b"ab")
    assert not is_uniform(ring([b"ab" * 8] * 3)[:-1], 16, 2, b"ab")
    assert not is_uniform(b"", 16, 2, b"ab")
