"""The file of an iterator: whole records out of reads that are cut anywhere."""

from __future__ import annotations

import os
from struct import pack

import pytest

from syscast.buffers.seqfile import SeqFile
from syscast.errors import FormatError, KernelError
from syscast.kernel.descriptors import Fd


def record(payload):
    return pack("<II", len(payload), 0) + payload.ljust(len(payload) + 7 & -8, b"\0")


RECORDS = [record(bytes([number]) * size) for number, size in enumerate((8, 3, 16, 1, 24, 8))]


def file_with(data):
    reading, writing = Fd.pipe()
    os.write(writing.fileno(), data)
    writing.close()
    return reading


@pytest.mark.parametrize("size", [1, 2, 7, 8, 9, 16, 23, 40, 1 << 18])
def test_records_come_whole_however_the_reads_are_cut(size):
    with file_with(b"".join(RECORDS)) as fd:
        rows = SeqFile(fd, size)
        blocks = []
        while block := rows.read_block():
            blocks.append(block)
        assert b"".join(blocks) == b"".join(RECORDS)
        ends = [sum(map(len, RECORDS[: n + 1])) for n in range(len(RECORDS))]
        at = 0
        for block in blocks:
            at += len(block)
            assert at in ends


def test_an_empty_table():
    with file_with(b"") as fd:
        assert SeqFile(fd).read_block() == b""


def test_a_table_that_ends_within_a_record():
    with file_with(RECORDS[0] + RECORDS[2][:-1]) as fd:
        rows = SeqFile(fd)
        assert rows.read_block() == RECORDS[0]
        with pytest.raises(FormatError, match=r"ends within a record \(23 bytes\)"):
            rows.read_block()


class Refusing:
    """An iterator's descriptor whose reads fail as the kernel's do."""

    what = "iterator 'own'"

    def __init__(self, monkeypatch, *errors):
        self.errors = list(errors)
        monkeypatch.setattr(os, "read", self.read)

    def fileno(self):
        return 99

    def read(self, _fd, _size):
        if self.errors:
            raise self.errors.pop(0)
        return b""


def test_a_million_elements_without_a_row_are_no_end(monkeypatch):
    fd = Refusing(monkeypatch, BlockingIOError(), BlockingIOError())
    assert SeqFile(fd).read_block() == b""
    assert fd.errors == []


def test_a_row_larger_than_the_kernels_buffer(monkeypatch):
    fd = Refusing(monkeypatch, OSError(7, "E2BIG"))
    with pytest.raises(
        KernelError, match=r"iterator 'own': read: .*larger than the kernel's buffer"
    ):
        SeqFile(fd).read_block()
