"""What a script sees of a text that is wrong: bcc's exception, and on descriptor 2 the line and a caret."""

from __future__ import annotations

import re
import sys

import pytest

from syscast.bcc.compiling import compiled, found_file
from syscast.btf import source
from syscast.errors import NotSupportedError


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def btf():
    try:
        source.kernel()
    except NotSupportedError:
        pytest.skip("this kernel has no BTF")


RIGHT = b"int f(struct pt_regs *ctx) { return 0; }\n"


def refused(text, path=""):
    with pytest.raises(Exception, match=r"^Failed to compile BPF module ") as caught:
        compiled(text, path, ())
    assert type(caught.value) is Exception
    assert caught.value.__suppress_context__
    return str(caught.value)


def test_a_right_text(capfd):
    spec = compiled(RIGHT + RIGHT.replace(b" f(", b" g("), "", ())
    assert [each.name for each in spec.programs] == ["f", "g"]
    assert capfd.readouterr().err == ""


def test_a_wrong_name(capfd):
    text = b"int f(struct pt_regs *ctx)\n{\n    int wanted = 1;\n    return wnated;\n}\n"
    assert refused(text) == "Failed to compile BPF module <text>"
    lines = capfd.readouterr().err.splitlines()
    assert re.match(r"/virtual/main\.c:4:12: error: .*wnated", lines[0])
    assert lines[1] == "    4 |     return wnated;"
    assert lines[2] == "      |            ^~~~~~"
    assert "'wanted'" in lines[3]
    assert lines[-1] == "1 error generated."


def test_every_independent_mistake(capfd):
    text = b"int f(void *ctx) { return one; }\nint g(void *ctx) { return two; }\n"
    refused(text)
    errors = capfd.readouterr().err
    assert "'one'" in errors
    assert "'two'" in errors
    assert errors.endswith("2 errors generated.\n")


def test_a_file_is_called_by_its_name(tmp_path, capfd):
    path = tmp_path / "prog.c"
    path.write_bytes(b"int f(void *ctx) { return one; }\n")
    assert refused(path.read_bytes(), str(path)) == f"Failed to compile BPF module {path}"
    assert capfd.readouterr().err.startswith(f"{path}:1:27: error: ")


def test_bytes_that_are_no_text(capfd):
    refused(RIGHT + b"// caf\xe9\n")
    assert capfd.readouterr().err == "/virtual/main.c:2: error: byte 0xe9 is not UTF-8\n"


@pytest.mark.parametrize(
    "text",
    [
        b'#include "itself.c"\n',
        b"#define A B B\n"
        + b"".join(b"#define %c %c %c\n" % (n, n + 1, n + 1) for n in range(66, 90))
        + b"int f(void *ctx) { return A; }\n",
        b"int f(void *ctx) { " + b"(" * 5000 + b"; }\n",
        b"\0\0\0",
    ],
    ids=["include cycle", "macro bomb", "parentheses", "zeros"],
)
def test_hostile_texts_end_in_an_error(text, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "itself.c").write_bytes(b'#include "itself.c"\n')
    refused(text)
    assert ": error: " in capfd.readouterr().err


def test_files_beside_the_script(tmp_path, monkeypatch):
    (tmp_path / "here.c").write_text("")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/there.c").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "bin/tool")])
    assert found_file(b"here.c") == "here.c"
    assert found_file(b"there.c") == str(tmp_path / "bin/there.c")
    with pytest.raises(Exception, match=r"^Could not find file nowhere\.c$"):
        found_file(b"nowhere.c")
