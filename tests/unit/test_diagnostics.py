"""How a finding is drawn: the caret stands under the exact characters, whatever the line holds."""

from __future__ import annotations

import pytest

from syscast.diagnostics import CompileError, Diagnostic, Span, render


def drawn(source, start, end, *, end_line=0, line=7):
    span = Span("probe.py", line, start, end_line or line, end)
    return render(Diagnostic("wrong", span, source)).split("\n")


def test_place_message_line_caret_and_hint():
    span = Span("probe.py", 7, 5, 7, 8)
    text = render(Diagnostic("no such name", span, "x = foo + 1", "did you mean fob?", ("seen",)))
    assert text == (
        "probe.py:7:5: error: no such name\n"
        "    7 | x = foo + 1\n"
        "      |     ^~~\n"
        "      = hint: did you mean fob?\n"
        "      = note: seen"
    )


def test_a_tab_is_one_column_in_the_line_and_under_it():
    assert drawn("\t\tx = foo", 7, 10)[1:] == ["    7 |   x = foo", "      |       ^~~"]


@pytest.mark.parametrize(
    ("source", "start", "end", "caret"),
    [
        ('if comm == "端口" and foo:', 21, 24, " " * 22 + "^~~"),  # two columns each
        ('x = "e\u0301" + foo', 12, 15, " " * 10 + "^~~"),  # the accent takes none
        ('x = f("端口", 1)', 7, 11, " " * 6 + "^" + "~" * 5),
        ("größe = foo", 9, 12, " " * 8 + "^~~"),
    ],
)
def test_the_caret_counts_the_columns_of_a_terminal(source, start, end, caret):
    assert drawn(source, start, end)[1:] == [f"    7 | {source}", f"      | {caret}"]


def test_an_expression_over_several_lines_is_marked_to_the_end_of_the_first():
    assert (
        drawn("    return Small(value=1,", 12, 6, end_line=9)[2]
        == "      |            ^~~~~~~~~~~~~~"
    )


def test_a_line_that_has_no_such_column_gets_a_caret_behind_its_end():
    assert drawn("x = (", 6, 0)[2] == "      |      ^"


def test_of_a_long_line_the_surroundings_are_shown():
    source = "x = " + " + ".join(["backlog"] * 200) + " + foo + " + " + ".join(["more"] * 200)
    start = source.index("foo") + 1
    _, line, caret = drawn(source, start, start + 3)
    assert len(line) < 150
    assert line.startswith("    7 | ...")
    assert line.endswith("...")
    at = caret.index("^")
    assert line[at : at + 3] == "foo"
    assert caret.endswith("^~~")


def test_a_long_expression_is_marked_as_far_as_it_is_shown():
    source = "x = " + "y" * 1000
    _, line, caret = drawn(source, 5, 1005)
    assert len(caret) <= len(line) < 150


def test_an_empty_line_is_not_drawn():
    assert drawn("", 1, 1) == ["probe.py:7:1: error: wrong"]


def test_all_findings_are_in_the_text_of_the_error():
    findings = [Diagnostic("first", Span("a.py", 1)), Diagnostic("second", Span("a.py", 2))]
    assert str(CompileError(findings)) == "a.py:1:1: error: first\na.py:2:1: error: second"
