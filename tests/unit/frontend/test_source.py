"""A function's tree is the same whether its block is parsed alone or with the whole file."""

import ast
import textwrap

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.python import source as module
from syscast.frontend.python.source import read_function


def defined(tmp_path, text, name="probe"):
    """The function of this name, from a file with this text."""
    path = tmp_path / "probes.py"
    path.write_text(text)
    namespace = {}
    exec(compile(text, str(path), "exec"), namespace)
    return namespace[name]


def places(node):
    return ast.dump(node, include_attributes=True)


BEFORE = "import math\n\n\ndef other():\n    return 1\n\n\n"
FUNCTIONS = {
    "plain": "def probe(a):\n    return a\n",
    "decorated": "@(lambda f: f)\n@(\n    lambda f: f\n)\ndef probe(a):\n    return a\n",
    "long signature": "def probe(\n    a,\n    b=(\n        1\n    ),\n) -> int:\n    return a\n",
    "comments further out": "def probe(a):\n    b = a\n# no end\n    return b\n",
    "blank lines": "def probe(a):\n\n    b = a\n\n\n    return b\n",
    "a string further out": 'def probe(a):\n    b = """\nout\n"""\n    return b\n',
    "a bracket further out": "def probe(a):\n    b = (a +\n1)\n    return b\n",
    "a line that goes on further out": "def probe(a):\n    b = a + \\\n1\n    return b\n",
    "an expression that goes on further out": "def probe(a):\n    b = a \\\n+ 1\n    return b\n",
    "statements without code": "def probe(a):\n    return a\n    if 0:\n        a = 1\n    a\n",
    "one line": "def probe(a): return a\n",
    "not ASCII": "def probe(a):\n    b = 'äöü'; c = a\n    return c\n",
    "an inner function": "def probe(a):\n    def inner():\n        return 1\n    return a\n",
    "tabs": "def probe(a):\n\tif a:\n\t\treturn 1\n\treturn a\n",
}


@pytest.mark.parametrize("text", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("after", ["", "\n\nAFTER = 1\n", "# the end"])
def test_a_block_alone_gives_the_tree_of_the_file(tmp_path, text, after):
    whole = BEFORE + text + after
    function = defined(tmp_path, whole)
    tree = ast.parse(whole)
    (wanted,) = (node for node in tree.body if getattr(node, "name", "") == "probe")
    assert places(read_function(function).node) == places(wanted)


def test_a_function_inside_another_one(tmp_path):
    text = "def outer(n):\n    @(lambda f: f)\n    def probe(a):\n        return a + n\n\n    return probe\n"
    function = defined(tmp_path, BEFORE + text, "outer")(4)
    found = read_function(function)
    assert found.node.lineno == 10
    assert found.node.body[0].col_offset == 8
    assert found.outer("n") == (True, 4)
    assert found.segment() == textwrap.indent(
        "@(lambda f: f)\ndef probe(a):\n    return a + n", "    "
    )


def test_the_rest_of_a_file_is_not_parsed(tmp_path, monkeypatch):
    function = defined(tmp_path, BEFORE + FUNCTIONS["plain"] + "\nX = 1\n")

    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr(module, "_whole", refuse)
    assert read_function(function).name == "probe"


def test_of_two_functions_of_one_name_the_one_at_the_line_counts(tmp_path):
    text = "def probe(a):\n    return 1\n\n\ndef probe(a):\n    return 2\n"
    node = read_function(defined(tmp_path, text)).node
    assert (node.lineno, ast.unparse(node.body[0])) == (5, "return 2")


def test_a_file_that_changed_is_refused(tmp_path):
    function = defined(tmp_path, FUNCTIONS["plain"])
    (tmp_path / "probes.py").write_text("X = 1\n\n\n")
    with pytest.raises(CompileError, match="not at line 1 any more"):
        read_function(function)


def test_a_file_that_no_longer_parses_is_refused(tmp_path):
    function = defined(tmp_path, FUNCTIONS["plain"])
    (tmp_path / "probes.py").write_text("def probe(:\n    pass\n")
    with pytest.raises(CompileError, match="no longer parses"):
        read_function(function)
