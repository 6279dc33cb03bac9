"""Every probe against independent witnesses: the kernel's own BTF and configuration."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

import pytest

from syscast import features
from syscast.btf import source, types
from syscast.features import btf_kinds, helpers
from syscast.kernel import bpfinfo, host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif("CAP_SYS_ADMIN" not in host.capabilities(), reason="needs root"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, features.Result]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        features.forget()
        yield features.all()
        features.forget()


def enum(name: str) -> dict[str, int]:
    kernel = source.kernel()
    found = kernel.find(name, types.Enum)
    assert found is not None
    made = kernel.type(found)
    assert isinstance(made, types.Enum)
    return {value.name: value.value for value in made.values}


def members(struct: str) -> set[str]:
    kernel = source.kernel()
    found = kernel.find(struct, types.Struct)
    assert found is not None
    made = kernel.type(found)
    assert isinstance(made, types.Struct)
    return {member.name for member in made.members}


def configured(option: str) -> bool:
    config = host.kernel_config()
    if config is None:
        pytest.skip("the kernel does not show its configuration")
    return config.get(option) in {"y", "m"}


def test_none_is_inconclusive_for_root(answers: Mapping[str, features.Result]) -> None:
    open_ones = {
        name: result.reason for name, result in answers.items() if result.outcome == "inconclusive"
    }
    assert set(open_ones) <= {"btf_modules"}, open_ones


def test_nothing_is_left_behind(answers: Mapping[str, features.Result]) -> None:
    assert answers
    for kind in ("program", "map"):
        for number in bpfinfo.ids(kind):
            with bpfinfo.by_id(kind, number) as fd:
                info = bpfinfo.prog_info(fd) if kind == "program" else bpfinfo.map_info(fd)
            assert info.name != "probe"


@pytest.mark.parametrize(
    ("feature", "name"),
    [
        ("ringbuf", "BPF_MAP_TYPE_RINGBUF"),
        ("task_storage", "BPF_MAP_TYPE_TASK_STORAGE"),
        ("perf_buffer", "BPF_MAP_TYPE_PERF_EVENT_ARRAY"),
        ("percpu_hash", "BPF_MAP_TYPE_PERCPU_HASH"),
    ],
)
def test_map_types(answers: Mapping[str, features.Result], feature: str, name: str) -> None:
    assert bool(answers[feature]) == (name in enum("bpf_map_type")), answers[feature]


@pytest.mark.parametrize("row", helpers._HELPERS, ids=lambda row: row[0])
def test_helpers(answers: Mapping[str, features.Result], row: tuple[str, int, str, str]) -> None:
    name, number, where, _ = row
    known = enum("bpf_func_id")
    result = answers[f"helper_{name}"]
    if result:
        assert known[f"BPF_FUNC_{name}"] == number
    elif f"BPF_FUNC_{name}" in known:
        # Known to the kernel, but not in programs of this type: that came later.
        assert known[f"BPF_FUNC_{name}"] == number
        assert where in result.reason


def test_an_unknown_helper_is_found_out() -> None:
    assert helpers._known("kprobe", 4000)().outcome == features.NO


def test_btf_kinds(answers: Mapping[str, features.Result]) -> None:
    # The kernel's parser has a table of checks with one entry per kind it takes.
    kernel = source.kernel()
    for name in ("float", "decl_tag", "enum64"):
        check = kernel.find(f"btf_{name}_check_meta", types.Func)
        assert bool(answers[f"btf_{name}"]) == (check is not None), name
    # Type tags have no check of their own; they came between the other two.
    assert bool(answers["btf_enum64"]) <= bool(answers["btf_type_tag"])
    assert bool(answers["btf_type_tag"]) <= bool(answers["btf_decl_tag"])
    for name in ("btf", "btf_func", "btf_datasec"):
        assert answers[name], answers[name]


def test_an_unknown_btf_kind_is_found_out() -> None:
    probe = btf_kinds._loads(btf_kinds._type(3, 31, 4))
    assert probe().outcome == features.NO


def test_attaching_by_kprobes(answers: Mapping[str, features.Result]) -> None:
    assert bool(answers["kprobe"]) == configured("CONFIG_KPROBE_EVENTS"), answers["kprobe"]
    attach_types = enum("bpf_attach_type")
    multi = "BPF_TRACE_KPROBE_MULTI" in attach_types and configured("CONFIG_FPROBE")
    assert bool(answers["kprobe_multi"]) == multi, answers["kprobe_multi"]
    session = "BPF_TRACE_KPROBE_SESSION" in attach_types and configured("CONFIG_FPROBE")
    assert bool(answers["kprobe_session"]) == session, answers["kprobe_session"]


def test_attaching_elsewhere(answers: Mapping[str, features.Result]) -> None:
    attach_types = enum("bpf_attach_type")
    assert answers["raw_tracepoint"]
    assert answers["tp_btf"]
    assert bool(answers["perf_link"]) == ("BPF_PERF_EVENT" in attach_types)
    assert bool(answers["bpf_cookie"]) == bool(answers["perf_link"])
    assert bool(answers["uprobe"]) == configured("CONFIG_UPROBE_EVENTS"), answers["uprobe"]
    assert bool(answers["uprobe_multi"]) == ("BPF_TRACE_UPROBE_MULTI" in attach_types)
    assert bool(answers["iterator"]) == ("BPF_TRACE_ITER" in attach_types)
    if "BPF_TRACE_FSESSION" not in attach_types:
        assert not answers["fsession"]


def test_trampolines_agree(answers: Mapping[str, features.Result]) -> None:
    assert bool(answers["fentry"]) == bool(answers["fexit"])
    if answers["fsession"]:
        assert answers["fexit"]
        assert enum("bpf_attach_type")["BPF_TRACE_FSESSION"] == 58


def test_counters(answers: Mapping[str, features.Result]) -> None:
    assert bool(answers["prog_missed"]) == ("recursion_misses" in members("bpf_prog_info"))
    assert answers["run_stats"], answers["run_stats"]


def test_maps(answers: Mapping[str, features.Result]) -> None:
    # Timers came one release later (v5.15).
    if "BPF_FUNC_timer_init" in enum("bpf_func_id"):
        assert answers["hash_lookup_and_delete"], answers["hash_lookup_and_delete"]


def test_modules(answers: Mapping[str, features.Result]) -> None:
    shown = {path.name for path in pathlib.Path("/sys/kernel/btf").iterdir()} - {"vmlinux"}
    assert bool(answers["btf_modules"]) == bool(shown)
