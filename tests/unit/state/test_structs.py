"""Structs: fields by keyword, checked, compared by value."""

# ruff: noqa: PLW0108  (types are looked at when the class is subscripted, which has to happen in the test)

from __future__ import annotations

import pytest

import syscast as sc
from syscast.errors import UsageError


class Flow(sc.Struct):
    port: sc.u16
    bytes: sc.u64 = 0


class Wide(Flow):
    comm: sc.Comm = "none"


def test_fields():
    flow = Flow(port=80)
    assert (flow.port, flow.bytes) == (80, 0)
    flow.bytes += 5
    assert flow == Flow(port=80, bytes=5)
    assert flow != Wide(port=80, bytes=5)
    assert hash(flow) == hash(Flow(port=80, bytes=5))
    assert repr(flow) == "Flow(port=80, bytes=5)"
    assert Wide(port=1).to_dict() == {"port": 1, "bytes": 0, "comm": "none"}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Flow(), TypeError, "field 'port' is missing"),
        (lambda: Flow(port=1, colour=2), TypeError, r"no field 'colour' \(it has port, bytes\)"),
        (lambda: Flow(port=70000), OverflowError, "field 'port': 70000 does not fit in u16"),
        (lambda: setattr(Flow(port=1), "port", -1), OverflowError, "-1 does not fit"),
        (lambda: setattr(Flow(port=1), "colour", 1), AttributeError, "colour"),
    ],
)
def test_mistakes(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_declarations_are_checked():
    with pytest.raises(UsageError, match="struct 'Bad': field 'to_dict'"):

        class Bad(sc.Struct):
            to_dict: sc.u8

    with pytest.raises(UsageError, match="no floating point"):

        class Worse(sc.Struct):
            part: float


def test_a_change_goes_back_into_the_map():
    flows = sc.Hash[sc.u32, Flow]()
    flows[1] = Flow(port=80)
    flows[1].bytes += 7
    held = flows[1]
    held.port = 81
    assert flows[1] == Flow(port=81, bytes=7)
    taken = flows.pop(1)
    taken.port = 5
    assert 1 not in flows


def test_a_default_struct_is_put_in_when_it_changes():
    flows = sc.Hash[sc.u32, Flow](default=Flow(port=1))
    assert flows[5].port == 1
    assert 5 not in flows
    flows[5].bytes += 3
    assert flows.to_dict() == {5: Flow(port=1, bytes=3)}
    assert flows[6] == Flow(port=1)
