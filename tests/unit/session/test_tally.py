"""What the words of a count mean for its targets, and how its keys are kept."""

from __future__ import annotations

import ast

import pytest

from syscast.errors import UsageError
from syscast.frontend.python.source import SourceText
from syscast.ir.program import FUNCTION
from syscast.probes.many import Names
from syscast.probes.matching import Found, Match
from syscast.session import tally
from syscast.session.tally import Linear, Query
from syscast.spec.meta import FieldMeta
from syscast.state.histogram import LinearHist, Log2Hist


def expression(text):
    return ast.parse(text, "", "eval").body


def meant(text, *arguments, key=False):
    return ast.unparse(tally._meant(expression(text), frozenset(arguments), key=key))


def test_bare_words_mean_the_task():
    assert meant("comm") == "current.comm"
    assert meant("pid > 5 and sk.pid") == "current.pid > 5 and sk.pid"


def test_an_argument_of_this_name_goes_first():
    assert meant("pid", "pid", "sig") == "pid"


def test_func_is_the_target_only_as_a_whole_key():
    assert meant("func", key=True) == FUNCTION
    assert meant("probe", key=True) == FUNCTION
    assert meant("func") == "func"
    assert meant("func.x", key=True) == "func.x"


def meta(kind="int", size=4, *, signed=False, **labels):
    return FieldMeta("k", kind, 0, size, signed, {int(k[1:]): v for k, v in labels.items()})


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (meta(size=2), meta(size=4), meta(size=4)),
        (meta(size=4), meta(size=4, signed=True), meta(size=8, signed=True)),
        (meta("bool", 1), meta(size=4), meta(size=4)),
        (meta("str", 16), meta("str", 128), meta("str", 128)),
        (meta("enum", 4, _1="A"), meta("enum", 4, _1="A"), meta("enum", 4, _1="A")),
        (meta("enum", 4, _1="A"), meta("enum", 4, _1="B"), meta("int", 4)),
    ],
)
def test_keys_of_several_targets_are_kept_as_wide_as_needed(one, other, wanted):
    assert tally._wider(one, other) == wanted


def test_keys_that_cannot_be_told_apart_are_refused():
    with pytest.raises(UsageError, match="it is a str in one target and a int in another"):
        tally._wider(meta("str", 16), meta())


def test_near_words_are_arguments_and_words():
    assert tally.near_words("comn", ["count"]) == ["comm", "count"]
    assert tally.near_words("backlgo", ["backlog"]) == ["backlog"]


@pytest.mark.parametrize(
    ("match", "alone"),
    [
        (Match("syscall:*", "syscall", "", (Found("a"),)), False),
        (Match("sched:*", "tracepoint", "", tuple(map(Found, "abcdefgh"))), True),
        (Match("fexit:a*", "function", "fexit", tuple(map(Found, "abcdefgh"))), True),
        (Match("a*", "function", "", (Found("a"), Found("b"))), True),
        (Match("kprobe:a*", "function", "kprobe", (Found("a"), Found("b"))), False),
        (Match("a*", "function", "", (Found("a", "", 1), Found("a", "", 2))), False),
        (Match("a*", "function", "", tuple(map(Found, "abcdefgh"))), False),
    ],
)
def test_who_gets_a_program_of_its_own(match, alone):
    assert tally._alone(match) is alone


class Session:
    def refused(self):
        return []


def query(**members):
    return Query(("syscall:*",), **members)


def test_counts_get_names_labels_and_their_order():
    metas = [meta(FUNCTION, 8), meta("enum", 4, _1="ONE"), meta("pointer", 8), meta("str", 16)]
    known = Names()
    number = known.number("tcp_ack")
    counter = tally._state(query(), metas, 2)
    counter.add((number, 1, 0x1000, "cat"), 3)
    counter.add((0, 2, 0, "cat"), 5)
    running = tally.Tallying(Session(), counter, metas, known, [], 2)
    wanted = [(("read", 2, "0x0", "cat"), 5), (("tcp_ack", "ONE", "0x1000", "cat"), 3)]
    assert running.counts(take=False) == wanted
    assert running.total == 0
    assert running.counts() == wanted
    assert running.counts() == []
    assert running.total == 8


def test_two_numbers_of_one_name_are_counted_together():
    known = Names()
    known.know([Found("f", "", 0xFFFFFFFF81000000), Found("f", "", 0xFFFFFFFF81000100)])
    metas = [meta(FUNCTION, 8)]
    counter = tally._state(query(), metas, 2)
    counter.add((0xFFFFFFFF81000001,), 3)
    counter.add((0xFFFFFFFF81000101,), 4)
    assert tally.Tallying(Session(), counter, metas, known, [], 2).counts() == [(("f",), 7)]


def test_histograms_with_and_without_keys():
    value = ("ret", expression("ret"), SourceText.of("<x>", "ret"))
    plain = tally._state(query(value=value), [], 1)
    assert isinstance(plain, Log2Hist)
    plain.add(5)
    running = tally.Tallying(Session(), plain, [], Names(), [], 1)
    ((key, found),) = running.distributions()
    assert (key, found.count, running.total) == ((), 1, 1)
    keyed = tally._state(query(value=value, linear=Linear(0, 10, 5)), [meta()], 1)
    assert isinstance(keyed, LinearHist)
    keyed[(7,)].add(6)
    running = tally.Tallying(Session(), keyed, [meta()], Names(), [], 1)
    ((key, found),) = running.distributions()
    assert (key, found.buckets) == ((7,), [(5, 10, 1)])
