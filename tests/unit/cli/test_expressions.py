import ast

import pytest

from syscast.cli.expressions import names, parse
from syscast.diagnostics import CompileError
from syscast.errors import UsageError


@pytest.mark.parametrize(
    ("texts", "wanted"),
    [
        (["backlog"], ["backlog"]),
        (["sock.sk.skc_num"], ["skc_num"]),
        (["sock.sk.skc_num as port"], ["port"]),
        (["sock.sk.skc_num", "as", "port", "backlog"], ["port", "backlog"]),
        (["argv[0]"], ["argv"]),
        (["user_str(filename)"], ["filename"]),
        (['cast("struct tcp_sock", sk).snd_cwnd'], ["snd_cwnd"]),
        (['cast("struct tcp_sock", sock.sk)'], ["sk"]),
        (["flags & 3"], ["flags_3"]),
        (["1 + x"], ["_1_x"]),
        (["-x"], ["x"]),
        (["'as' == comm as found"], ["found"]),
        ([], []),
    ],
)
def test_fields_are_named_after_their_expressions(texts, wanted):
    assert [name for name, *_ in parse(texts, None).fields] == wanted


def test_the_condition_is_kept_with_its_text():
    condition = parse([], " backlog > 100 ").condition
    assert condition is not None
    node, source = condition
    assert isinstance(node, ast.Compare)
    assert (source.file, source.text) == ("<--if>", "backlog > 100")


def test_used_names_are_those_of_fields_and_condition():
    body = parse(["file.f_pos", "ret as r"], "count > current.pid")
    assert names(body) == {"file", "ret", "count", "current"}


@pytest.mark.parametrize(
    ("texts", "condition", "column", "hint"),
    [
        ([], "backlog >", 10, ""),
        (["a && b"], None, 4, "`and`"),
        (["sock->sk"], None, 5, "with a dot"),
        ([], "fd = 3", 4, "`==`"),
        (["ok", "1 +"], None, 4, ""),
    ],
)
def test_what_does_not_parse_is_shown_with_a_caret(texts, condition, column, hint):
    with pytest.raises(CompileError) as caught:
        parse(texts, condition)
    (finding,) = caught.value.diagnostics
    where = "--if" if condition else f"expression {len(texts)}"
    assert finding.span.file == f"<{where}>"
    assert finding.span.column == column
    assert hint in finding.hint
    caret = str(caught.value).splitlines()[2]
    assert caret.index("^") == len("    1 | ") + column - 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a.b", "c.b"], "field 'b': name: two fields have this name"),
        (["a as 1x"], "field '1x': name: not a name"),
        (["a", "as"], "expression 'a': name: no name stands behind 'as'"),
        (["a\0"], "NUL|null"),
    ],
)
def test_wrong_names_are_refused(texts, message):
    with pytest.raises((UsageError, CompileError), match=message):
        parse(texts, None)


def test_a_command_without_its_dashes_is_told_apart():
    with pytest.raises(CompileError) as caught:
        parse(["cat", "/etc/hostname"], None)
    assert caught.value.diagnostics[0].hint == "a command to trace stands behind --"
