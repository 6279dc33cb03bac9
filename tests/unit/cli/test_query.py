"""What the words of ``count`` and ``hist`` mean."""

from __future__ import annotations

import ast

import click
import pytest

from syscast.cli import query
from syscast.diagnostics import CompileError
from syscast.errors import UsageError


def count(*words, targets=(), condition=None):
    return query.read(words, targets, condition, with_value=False)


def hist(*words, targets=()):
    return query.read(words, targets, None, with_value=True)


def keys(found):
    return [(label, ast.unparse(node)) for label, node, _ in found.keys]


@pytest.mark.parametrize(
    ("words", "targets", "wanted"),
    [
        (["tcp_*"], ("tcp_*",), []),
        (["vfs_read", "vfs_write"], ("vfs_read", "vfs_write"), []),
        (["vfs_read,vfs_write,vfs_read"], ("vfs_read", "vfs_write"), []),
        (["syscall:*", "by", "comm"], ("syscall:*",), [("comm", "comm")]),
        (
            ["syscall:*", "by", "comm,", "func"],
            ("syscall:*",),
            [("comm", "comm"), ("func", "func")],
        ),
        (["syscall:*", "by", "comm,func"], ("syscall:*",), [("comm", "comm"), ("func", "func")]),
        (["a by comm"], ("a",), [("comm", "comm")]),
        (["a", "by", "sk.skc_num", "as", "port"], ("a",), [("port", "sk.skc_num")]),
        (["a", "by", "min(x, y),", "b[0]"], ("a",), [("y", "min(x, y)"), ("b", "b[0]")]),
        (["a", "by", "s == 'x,y'"], ("a",), [("s_x_y", "s == 'x,y'")]),
    ],
)
def test_targets_and_keys(words, targets, wanted):
    found = count(*words)
    assert (found.targets, keys(found)) == (targets, wanted)


def test_a_histogram_takes_one_value():
    found = hist("vfs_read", "duration", "by", "comm")
    assert found.targets == ("vfs_read",)
    assert (found.value[0], ast.unparse(found.value[1])) == ("duration", "duration")
    assert keys(found) == [("comm", "comm")]
    found = hist("vfs_read", "syscall:read", "ret // 2 as half")
    assert found.targets == ("vfs_read", "syscall:read")
    assert (found.value[0], ast.unparse(found.value[1])) == ("half", "ret // 2")


def test_targets_by_option_leave_all_words_to_the_value():
    found = hist("ret", targets=["vfs_read,vfs_write"])
    assert found.targets == ("vfs_read", "vfs_write")
    assert found.value[0] == "ret"


def test_names_are_those_of_all_expressions():
    assert count("a", "by", "x.y, comm", condition="z > 1").names() == {"x", "comm", "z"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no target is given"),
        (["by", "comm"], "no target is given"),
        (["tcp_*", "by"], "no key stands behind 'by'"),
        (["a+b"], "can be no target"),
        (["a", ""], "can be no target"),
    ],
)
def test_what_is_missing_is_said(words, message):
    with pytest.raises(click.UsageError, match=message):
        count(*words)


def test_a_histogram_without_a_value_gets_an_example():
    with pytest.raises(
        click.UsageError, match="no value is given, such as: syscast hist a duration"
    ):
        hist("a", "by", "comm")


def test_wrong_expressions_are_shown_at_their_place():
    with pytest.raises(CompileError, match="not a Python expression"):
        count("a", "by", "x &&")
    with pytest.raises(UsageError, match="two fields have this name"):
        count("a", "by", "x.y, z.y")
