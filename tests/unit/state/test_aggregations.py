"""Counters, histograms and statistics as Python data."""

from __future__ import annotations

import collections
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import syscast as sc
from syscast.errors import UsageError
from syscast.state.tables import bar

HISTOGRAM = """\
Log2Hist
  -∞ .. -1 1 │█████████████▍                          │
   0 .. 0  0 │                                        │
   1 .. 1  1 │█████████████▍                          │
   2 .. 3  0 │                                        │
   4 .. 7  3 │████████████████████████████████████████│"""
LINEAR = """\
LinearHist, 1 keys

7
  -∞ .. -1 1 │████████████████████████████████████████│
   0 .. 9  0 │                                        │
  10 .. 19 0 │                                        │
  20 .. 24 1 │████████████████████████████████████████│
  25 .. ∞  1 │████████████████████████████████████████│"""


def test_counter():
    one = sc.Counter()
    one.add()
    one.add(5)
    one += 4
    assert (one.value, int(one), repr(one)) == (10, 10, "Counter(10)")
    assert one.take() == 10
    assert one.value == 0
    with pytest.raises(UsageError, match="it has no keys"):
        one[1]


def test_counter_of_keys():
    names = sc.Counter[sc.Comm]()
    names["b"] += 2
    names.add("a", 9)
    names.add("c")
    assert names["missing"] == 0
    assert "missing" not in names
    assert "a" in names
    assert list(names) == ["a", "b", "c"]
    assert names.items() == [("a", 9), ("b", 2), ("c", 1)]
    assert names.most_common(1) == [("a", 9)]
    assert (names.get("b"), names.get("z", 7), names.value, len(names)) == (2, 7, 12, 3)
    assert repr(names) == "Counter, 3 keys\n  a  9\n  b  2\n  c  1"
    assert json.loads(names.to_json())["items"][0] == {"key": "a", "value": 9}
    names["a"] = 1
    assert names["a"] == 1
    assert names.drain() == {"b": 2, "a": 1, "c": 1}
    assert names.drain() == {}


def test_top():
    top = sc.TopK[sc.u32](2)
    for number in range(10):
        top[number] += number
    assert top.ranking() == [(9, 9), (8, 8)]
    assert repr(top) == "TopK, 2 of 9 keys\n  9  9\n  8  8"
    assert len(top.drain()) == 9
    with pytest.raises(UsageError, match="0 is not a number of ranks"):
        sc.TopK[sc.u32](0)
    with pytest.raises(UsageError, match="its types are missing"):
        sc.TopK()


def test_histograms_draw_themselves():
    hist = sc.Log2Hist()
    for value in (-5, 1, 4, 5, 7):
        hist.add(value)
    assert repr(hist) == HISTOGRAM
    assert hist.value.buckets == [(None, 0, 1), (1, 2, 1), (4, 8, 3)]
    assert hist.value.to_dict() == {"(-inf, 0)": 1, "[1, 2)": 1, "[4, 8)": 3}
    assert hist.take().count == 5
    assert repr(hist) == "Log2Hist\n  (no values)"
    named = sc.Log2Hist[sc.Comm]()
    named["\x1b[31mred\nline"].add(1)
    assert repr(named).split("\n")[2] == r"\x1b[31mred\x0aline"
    assert repr(named["\x1b"]) == "\\x1b\n  (no values)"
    linear = sc.LinearHist[sc.u8](0, 25, 10)
    for value in (-1, 20, 25):
        linear[7].add(value)
    assert repr(linear) == LINEAR
    assert repr(linear[7]) == LINEAR.split("\n\n")[1]
    assert json.loads(linear.to_json())["items"] == [
        {"key": 7, "value": {"(-inf, 0)": 1, "[20, 25)": 1, "[25, inf)": 1}}
    ]


@given(st.lists(st.integers(-(1 << 63), (1 << 64) - 1), max_size=50))
def test_each_value_is_in_its_bucket(values):
    hist = sc.Log2Hist()
    for value in values:
        hist.add(value)
    wanted = collections.Counter()
    for value in values:
        wanted[value.bit_length() if value >= 0 else -1] += 1
    found = {}
    for low, high, count in hist.value.buckets:
        inside = [v for v in values if (low is None or low <= v) and (high is None or v < high)]
        assert len(inside) == count
        found[inside[0].bit_length() if inside[0] >= 0 else -1] = count
    assert found == dict(wanted)


def test_bars():
    assert bar(0, 5) == ""
    assert bar(1, 10**9) == "▏"
    assert bar(10, 10) == "█" * 40
    assert len(bar(9, 10)) <= 40


def test_statistics():
    values = [random.Random(1).randrange(-100, 100) for _ in range(50)]
    everything = [sc.Sum(), sc.Min(), sc.Max(), sc.Mean()]
    for each in everything:
        for value in values:
            each.add(value)
    assert [each.value for each in everything] == [
        sum(values),
        min(values),
        max(values),
        sum(values) / len(values),
    ]
    before = [each.value for each in everything]
    assert [each.take() for each in everything] == before
    assert [each.value for each in everything] == [0, None, None, None]


def test_statistics_of_keys():
    mean = sc.Mean[sc.u8]()
    mean[1].add(2)
    mean[1].add(3)
    mean[2].add(-8)
    assert mean.items() == [(1, 2.5), (2, -8.0)]
    assert mean[1].value == 2.5
    assert mean[3].value is None
    assert mean.count == 3
    assert mean.value == -1.0
    assert repr(mean) == "Mean, 2 keys\n  1  2.500\n  2  -8.000"
    assert mean.drain() == {1: 2.5, 2: -8.0}
    total = sc.Sum[sc.u8]()
    with pytest.raises(UsageError, match=r"it has keys \(stat\[key\]"):
        total.add(1)
    with pytest.raises(OverflowError, match="does not fit i64"):
        total[1].add(1 << 63)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sc.Counter(max_entries=5), "max_entries means nothing without a key type"),
        (lambda: sc.LinearHist(5, 5, 1), "5 to 5 by 1 is no range"),
        (lambda: sc.LinearHist(0, 5, 0), "by 0 is no range"),
        (lambda: sc.LinearHist(0, 1 << 40, 1), "are too many"),
        (lambda: sc.Log2Hist().drain(), "it has no keys"),
        (lambda: sc.Sum()[1], "Sum: read: it has no keys"),
        (sc.Counter[float], "Counter: key: the kernel has no floating point"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(UsageError, match=message):
        make()


def test_a_sum_wraps_as_in_the_kernel():
    total = sc.Sum()
    total.add((1 << 63) - 1)
    total.add(1)
    assert total.value == -(1 << 63)
    count = sc.Counter()
    count.add((1 << 64) - 1)
    count.add(3)
    assert count.value == 2
