"""Histograms as bcc lays them out; the wanted texts are those of its tools' documentation."""

from __future__ import annotations

import ctypes as ct

import pytest

from syscast.bcc.histograms import Histograms, get_json_hist, linear_text, log2_text


class Table(Histograms):
    """Items of a table without a kernel."""

    def __init__(self, kind, items):
        self.Key = kind
        self._items = items

    def items(self):
        return self._items


class Comm(ct.Structure):
    _fields_ = (("name", ct.c_char * 16), ("slot", ct.c_ulonglong))


class Padded(ct.Structure):
    _pack_ = 1
    _fields_ = (("pid", ct.c_uint), ("__pad_1", ct.c_char * 4), ("slot", ct.c_ulonglong))


def counts(**by_slot):
    vals = [0] * 65
    for slot, count in by_slot.items():
        vals[int(slot[1:])] = count
    return vals


def test_narrow():
    vals = counts(s1=1068, s2=642, s3=0, s4=369)
    assert log2_text(vals, "usecs", strip_leading_zero=None) == [
        "     usecs               : count     distribution",
        "         0 -> 1          : 1068     |****************************************|",
        "         2 -> 3          : 642      |************************                |",
        "         4 -> 7          : 0        |                                        |",
        "         8 -> 15         : 369      |*************                           |",
    ]


def test_wide_from_33_bits_on():
    assert len(log2_text(counts(s32=1), "nsecs", strip_leading_zero=None)[1]) == 78
    lines = log2_text(counts(s1=3, s33=1), "nsecs", strip_leading_zero=None)
    assert lines[0] == "               nsecs                         : count     distribution"
    assert (
        lines[1]
        == "                   0 -> 1                    : 3        |********************|"
    )
    assert (
        lines[33]
        == "          4294967296 -> 8589934591           : 1        |******              |"
    )


def test_leading_zeros_are_stripped_on_demand():
    lines = log2_text(counts(s5=1, s6=0, s7=1), "x", strip_leading_zero=True)
    assert [line.split(":")[0].split() for line in lines[1:]] == [
        ["16", "->", "31"],
        ["32", "->", "63"],
        ["64", "->", "127"],
    ]


def test_nothing_prints_nothing():
    assert log2_text([0] * 65, "x", strip_leading_zero=None) == []
    assert linear_text([0] * 65, "x", strip_leading_zero=None) == []


def test_linear():
    assert linear_text([1776, 0, 888], "runqlen", strip_leading_zero=None) == [
        "     runqlen       : count     distribution",
        "        0          : 1776     |****************************************|",
        "        1          : 0        |                                        |",
        "        2          : 888      |********************                    |",
    ]


def test_json():
    found = get_json_hist(counts(s1=11, s2=3), "msecs", ("flags", "Sync"))
    assert list(found) == ["ts", "val_type", "data", "flags"]
    assert found["data"] == [
        {"interval-start": 0, "interval-end": 1, "count": 11},
        {"interval-start": 2, "interval-end": 3, "count": 3},
    ]


def test_buckets(capsys):
    items = [
        (Comm(b"sshd", 1), ct.c_ulonglong(2)),
        (Comm(b"bash", 2), ct.c_ulonglong(1)),
        (Comm(b"sshd", 2), ct.c_ulonglong(1)),
    ]
    Table(Comm, items).print_log2_hist("Kbytes", "Process", section_print_fn=bytes.decode)
    lines = capsys.readouterr().out.split("\n")
    assert lines[:2] == ["", "Process = sshd"]
    assert "Process = bash" in lines
    Table(Comm, items).print_log2_hist(bucket_sort_fn=sorted)
    assert capsys.readouterr().out.startswith("\nBucket ptr = b'bash'\n     value  ")


def test_padding_between_bucket_and_slot(capsys):
    Table(Padded, [(Padded(7, b"", 1), ct.c_ulonglong(3))]).print_linear_hist(
        "n", "pid", bucket_fn=lambda pid: pid + 1
    )
    assert capsys.readouterr().out.startswith("\npid = 8\n     n  ")


def test_json_buckets(capsys):
    Table(Comm, [(Comm(b"sda", 1), ct.c_ulonglong(3))]).print_json_hist("usecs")
    assert capsys.readouterr().out.endswith("'count': 3}], 'Bucket ptr': b'sda'}\n")


def test_a_slot_beyond_the_rows():
    with pytest.raises(IndexError, match="exceeds max of 1025"):
        Table(ct.c_int, [(ct.c_int(2000), ct.c_ulonglong(1))]).print_linear_hist()
