"""Counts and histograms as text and as JSON."""

from __future__ import annotations

from syscast.cli import tables
from syscast.cli.messages import left_out
from syscast.link.many import Refused
from syscast.state.histogram import LinearHist, Log2Hist

ROWS = [(("cat", "tcp_ack"), 1200), (("python3", "tcp_v4_rcv"), 35), (("a\x1b[31m", "x"), 1)]
LABELS = ("comm", "func")


def test_counts_are_aligned_and_escaped():
    assert list(tables.count_lines(LABELS, ROWS, None)) == [
        "COMM       FUNC        COUNT",
        "cat        tcp_ack      1200",
        "python3    tcp_v4_rcv     35",
        "a\\x1b[31m  x               1",
    ]


def test_the_rest_is_summed_up():
    assert list(tables.count_lines(LABELS, ROWS, 1)) == [
        "COMM  FUNC     COUNT",
        "cat   tcp_ack   1200",
        "(2 more, 36 together)",
    ]
    assert tables.count_json(LABELS, ROWS, 1) == {
        "counts": [{"by": {"comm": "cat", "func": "tcp_ack"}, "count": 1200}],
        "others": 36,
    }


def test_no_counts_are_a_header_alone():
    assert list(tables.count_lines(("func",), [], 5)) == ["FUNC  COUNT"]
    assert tables.count_json(("func",), [], None) == {"counts": []}


def distributions():
    hist = Log2Hist()
    for value in (0, 3, 3, 9, -1):
        hist.add(value)
    return [(("cat",), hist.value)]


def test_histograms_draw_themselves_under_a_title():
    lines = list(tables.hist_lines(("comm",), "ret", distributions(), None))
    assert lines[0] == "comm=cat: 5 values"
    assert len(lines) == 7  # one for each bucket from the negative ones to 8..15
    assert "█" in lines[-1]
    assert [int(line.split("│")[0].split()[-1]) for line in lines[1:]] == [1, 1, 0, 2, 0, 1]


def test_histograms_without_keys_have_the_value_as_title():
    hist = LinearHist(0, 10, 5)
    hist.add(7)
    assert next(iter(tables.hist_lines((), "ret", [((), hist.value)], None))) == "ret: 1 value"
    assert list(tables.hist_lines((), "ret", [], None)) == ["ret: no values"]


def test_histograms_as_json_have_open_bounds():
    found = tables.hist_json(("comm",), "ret", distributions(), 1)
    assert found["value"] == "ret"
    assert found["others"] == 0
    (hist,) = found["histograms"]
    assert (hist["by"], hist["count"]) == ({"comm": "cat"}, 5)
    assert hist["buckets"][0] == {"low": None, "high": 0, "count": 1}
    assert {"low": 2, "high": 4, "count": 2} in hist["buckets"]


def test_what_is_left_out_is_told_by_reason():
    skipped = [Refused(f"f{n}", "freed") for n in range(6)] + [Refused("g", "inlined")] * 2
    assert left_out(skipped, most=4) == [
        "left out: f0, f1, f2, f3 and 2 more: freed",
        "left out: g: inlined",
    ]
    assert left_out(skipped, most=None)[0] == "left out: f0, f1, f2, f3, f4, f5: freed"
