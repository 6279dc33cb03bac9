from __future__ import annotations

import pathlib

import pytest

import syscast.kernel
from syscast.kernel import file, functions, socket


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


def test_a_keyword_is_written_with_an_underscore() -> None:
    assert syscast.kernel.class_ == "class"
    assert syscast.kernel.own_ == "own_"


@pytest.mark.skipif(
    not pathlib.Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel shows no BTF"
)
def test_an_enums_name_has_its_enumerators() -> None:
    assert syscast.kernel.bpf_map_type.BPF_MAP_TYPE_HASH == 1
    with pytest.raises(AttributeError, match="BPF_MAP_TYPE_HSAH"):
        syscast.kernel.bpf_map_type.BPF_MAP_TYPE_HSAH  # noqa: B018
    with pytest.raises(AttributeError, match="skc_num"):
        socket.skc_num  # noqa: B018


def test_functions_are_names_too() -> None:
    assert functions.tcp_connect == "tcp_connect"
    assert functions.__x64_sys_open == "__x64_sys_open"
    with pytest.raises(AttributeError):
        functions.__wrapped__  # noqa: B018
