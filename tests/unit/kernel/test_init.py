from __future__ import annotations

import pathlib

import pytest

import syscast.kernel
from syscast.kernel import file, socket


def test_every_module_of_the_room_can_be_imported_by_name() -> None:
    folder = pathlib.Path(syscast.kernel.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names == syscast.kernel._MODULES


def test_any_other_name_is_the_name_of_a_struct() -> None:
    assert socket == "socket"
    assert repr(file) == "syscast.kernel.file"
    assert socket | None == "socket | None"
    assert None | socket == "None | socket"
    assert socket | file | int == "socket | file | int"


def test_evaluated_and_postponed_annotations_read_the_same() -> None:
    names = {"socket": syscast.kernel.socket}
    source = "def probe(sock: socket | None, backlog: int): ..."
    exec(compile(source, "x", "exec", dont_inherit=True), names)
    assert names["probe"].__annotations__["sock"] == "socket | None"


def test_special_names_stay_missing() -> None:
    with pytest.raises(AttributeError):
        syscast.kernel.__wrapped__  # noqa: B018
    with pytest.raises(ImportError):
        exec("import syscast.kernel.nothing_such")
