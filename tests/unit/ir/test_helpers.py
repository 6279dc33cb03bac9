"""The helper table against the running kernel's own enum."""

from __future__ import annotations

import pytest

from syscast.btf import source
from syscast.btf.types import Enum
from syscast.errors import SyscastError
from syscast.ir.helpers import HELPERS


def test_numbers_are_the_kernels():
    try:
        btf = source.kernel()
    except SyscastError as error:
        pytest.skip(str(error))
    kind = btf.find("bpf_func_id", Enum)
    known = {value.name: value.value for value in btf.type(kind).values}
    wrong = {
        name: info.number
        for name, info in HELPERS.items()
        if f"BPF_FUNC_{name}" in known and known[f"BPF_FUNC_{name}"] != info.number
    }
    assert not wrong
    missing = [name for name in HELPERS if f"BPF_FUNC_{name}" not in known]
    assert len(missing) < len(HELPERS) / 2


def test_no_helper_takes_more_than_a_call_can_pass():
    assert all(len(info.args) <= 5 for info in HELPERS.values())
    assert len({info.number for info in HELPERS.values()}) == len(HELPERS)


def test_the_table_is_complete():
    numbers = sorted(info.number for info in HELPERS.values())
    assert numbers == list(range(1, 212))


def test_rows_say_what_goes_in_and_comes_out():
    row = HELPERS["perf_event_output"]
    assert [each.value for each in row.args] == ["ctx", "map", "number", "in", "number"]
    assert HELPERS["map_lookup_elem"].returns.value == "value"
    assert HELPERS["get_current_task_btf"].returns.value == "typed"
    assert HELPERS["ktime_get_ns"].args == ()
