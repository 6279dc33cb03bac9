"""The driver: probes of one object are judged together, and none may be silent."""

from __future__ import annotations

import pytest

import syscast as sc
from syscast.btf import source
from syscast.compiler.driver import Request, lower
from syscast.diagnostics import CompileError
from syscast.probes.fentry import FENTRY


class Backlog(sc.Event):
    value: sc.i32


def good(sock, backlog):  # noqa: ARG001  (parameters go by position)
    return Backlog(value=backlog)


def wrong(sock, backlog):  # noqa: ARG001  (parameters go by position)
    return Backlog(value=sock.nothing)


def wrong_too(sock, backlog):  # noqa: ARG001  (parameters go by position)
    return Backlog(value=backlogg)  # noqa: F821


def silent(sock, backlog):  # noqa: ARG001  (parameters go by position)
    if backlog > 3:
        return


def anonymous(sock, backlog): ...


def request(function):
    target = FENTRY.resolve("inet_listen", source.kernel())
    return Request(function.__name__, FENTRY.contexts(target, role="probe"), function)


def lowered(*functions):
    return lower([request(each) for each in functions], source.kernel(), arch="x86_64")


def test_all_probes_of_an_object_are_judged_at_once():
    with pytest.raises(CompileError) as caught:
        lowered(good, wrong, wrong_too)
    messages = [each.message for each in caught.value.diagnostics]
    assert messages == ["struct socket has no member 'nothing'", "no such name: 'backlogg'"]


def test_a_probe_that_never_sends_is_refused():
    with pytest.raises(CompileError) as caught:
        lowered(good, silent)
    (finding,) = caught.value.diagnostics
    assert finding.message == "probe 'silent' never sends an event and changes no state"
    assert finding.source.startswith("def silent(sock, backlog):")


def test_an_empty_body_sends_its_arguments():
    program, _ = lowered(anonymous)
    (schema,) = program.schemas
    assert [(field.name, field.kind) for field in schema.fields] == [
        ("sock", "pointer"),
        ("backlog", "int"),
    ]


def test_equal_input_gives_an_equal_program():
    assert lowered(good)[0] == lowered(good)[0]
