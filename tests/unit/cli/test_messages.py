import io
import sys

from syscast.cli.messages import safe, say, show


def test_escape_sequences_of_names_never_reach_the_terminal(capsys):
    say("function 'a\x1b[2Jb\u202e': find: none")
    assert capsys.readouterr().err == "syscast: function 'a\\x1b[2Jb\\u202e': find: none\n"


def test_lines_of_a_message_stay_lines():
    assert safe("one\ntwo\tthree") == "one\ntwo     three"


def test_a_closed_stderr_is_no_failure(monkeypatch):
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        say("nobody hears this")


def test_lines_go_to_stdout_escaped(capfd):
    show(["int f(void)", "\x1b]0;title\x07"])
    assert capfd.readouterr().out == "int f(void)\n\\x1b]0;title\\x07\n"
