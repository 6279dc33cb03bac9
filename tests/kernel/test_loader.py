"""Loading into the running kernel: what works, what is refused and how it is told."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from syscast import features
from syscast.asm import build, encode
from syscast.btf import source
from syscast.buffers.opening import open_reader
from syscast.errors import (
    FormatError,
    KernelError,
    NotSupportedError,
    PermissionDeniedError,
    TargetError,
    UsageError,
    VerifierError,
)
from syscast.features import probing
from syscast.kernel.bpflinks import raw_tracepoint_open
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader import load
from syscast.spec import MapRef, MapSpec, ObjectSpec, ProgramSpec
from syscast.spec.read import read_object

pytestmark = [pytest.mark.kernel, pytest.mark.native]
OBJECTS = Path(__file__).parents[1] / "data/objects"
NOTHING = encode([build.mov_imm(0, 0), build.exit_()])


@pytest.fixture(scope="module", autouse=True)
def types_of_the_kernel():
    """They stay open for the life of the process, so that no test leaves them behind."""
    source.kernel()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    features.forget()
    yield
    features.forget()


def read(name: str) -> ObjectSpec:
    return read_object((OBJECTS / f"{name}.bpf.o").read_bytes(), name)


def only(spec: ObjectSpec, *names: str) -> ObjectSpec:
    """The object with these programs alone."""
    chosen = tuple(each for each in spec.programs if each.name in names)
    return msgspec.structs.replace(spec, programs=chosen)


def without_kconfig(spec: ObjectSpec) -> ObjectSpec:
    """As if the configuration were optional: not every kernel shows it."""
    return msgspec.structs.replace(
        spec,
        kconfig=tuple(msgspec.structs.replace(each, weak=True) for each in spec.kconfig),
    )


def one(code: bytes = NOTHING, *maps: MapSpec, refs: tuple[MapRef, ...] = ()) -> ObjectSpec:
    program = ProgramSpec("one", "socket", "socket_filter", "", "", code, refs)
    return ObjectSpec("x", "GPL", (program,), maps)


def test_an_object_of_clang_sees_this_process():
    spec = without_kconfig(only(read("sample"), "on_enter"))
    with load(spec, config={"only_pid": os.getpid()}) as loaded:
        assert list(loaded.programs) == ["on_enter"]
        program = loaded.programs["on_enter"]
        with (
            open_reader(loaded.maps["events"]) as reader,
            raw_tracepoint_open(program.fd, "sys_enter"),
        ):
            os.getppid()
            assert reader.wait(5)
            # time, pid, parent, comm
            seen = [struct.unpack("<QII16s", record) for record in reader.read(1000)]
        comm = Path("/proc/self/comm").read_bytes().strip()
        assert seen
        assert {each[1] for each in seen} == {os.getpid()}
        assert {each[2] for each in seen} == {os.getppid()}
        assert {each[3].rstrip(b"\0") for each in seen} == {comm}
        times = [each[0] for each in seen]
        assert times == sorted(times)
        assert abs(times[-1] - time.monotonic_ns()) < 60e9
        data = loaded.maps[".data"].lookup(0)
        assert int.from_bytes(data, "little") > 7
        info = program.info()
        assert (info.name, info.gpl_compatible) == ("on_enter", True)


def test_maps_are_as_described():
    with load(without_kconfig(only(read("sample"), "on_enter"))) as loaded:
        seen = loaded.maps["seen"].info()
        assert (seen.map_type, seen.key_size, seen.value_size, seen.flags) == (1, 4, 32, 1)
        assert seen.btf_value_type_id == loaded.maps["seen"].spec.value_type_id
        assert loaded.maps[".rodata"].info().name == "sample.rodata"
        assert loaded.maps["events"].info().max_entries == 65536 == loaded.ring_size
        assert loaded.maps["outer"].lookup(1) == struct.pack("<I", loaded.maps["first"].info().id)
        with pytest.raises(PermissionDeniedError, match=r"map 'sample.rodata': update"):
            loaded.maps[".rodata"].update(0, bytes(12))


def test_what_is_not_loaded_by_default():
    spec = without_kconfig(read("sample"))
    leave = next(each for each in spec.programs if each.name == "on_exit")
    with load(only(spec, "on_exit")) as loaded:
        assert not loaded.programs
    if not features.probe("helper_loop"):
        with pytest.raises(VerifierError, match=r"takes the address of a function|bpf_loop"):
            load(only(spec, "on_exit"), overrides={"on_exit": leave})
        return
    with load(only(spec, "on_exit"), overrides={"on_exit": leave}) as loaded:
        before = loaded.maps["first"].lookup(0)
        prog_test_run(loaded.programs["on_exit"].fd, ctx_in=bytes(16))
        after = loaded.maps["first"].lookup(0)
        # add() also adds only_pid, which is 0; the callback counts 0 + 1 + 2.
        assert int.from_bytes(after, "little") == int.from_bytes(before, "little") + 1
        assert struct.unpack("<4QQ", loaded.maps[".bss"].lookup(0))[4] == 3


def test_an_override_changes_the_type():
    spec = one()
    other = msgspec.structs.replace(spec.programs[0], type="xdp")
    with load(spec, overrides={"one": other}) as loaded:
        assert loaded.programs["one"].info().prog_type == 6
        assert loaded.programs["one"].spec is other
    with pytest.raises(UsageError, match="object 'x': load: it has no program 'two' to override"):
        load(spec, overrides={"two": other})


def test_map_access():
    maps = (
        MapSpec("h", "hash", 4, 8, 1000),
        MapSpec("p", "percpu_array", 4, 4, 2),
        MapSpec("l", "lpm_trie", 8, 4, 10, flags=1),
    )
    with load(one(NOTHING, *maps)) as loaded:
        table = loaded.maps["h"]
        for number in range(600):
            table.update(number, struct.pack("<Q", number * number))
        assert table.lookup(25) == struct.pack("<Q", 625)
        assert table.lookup(601) is None
        found = {
            int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, v in table.items()
        }
        assert found == {number: number * number for number in range(600)}
        assert table.delete(25)
        assert not table.delete(25)
        assert len(list(table.keys())) == 599
        per_cpu = loaded.maps["p"]
        assert per_cpu.value_size == 8 * per_cpu.cpus
        per_cpu.update(1, struct.pack("<II", 7, 0) * per_cpu.cpus)
        assert per_cpu.lookup_cpus(1) == (struct.pack("<I", 7),) * per_cpu.cpus
        assert [key for key, _ in per_cpu.items()] == [b"\0\0\0\0", b"\1\0\0\0"]
        trie = loaded.maps["l"]
        trie.update(struct.pack("<II", 32, 1), b"abcd")
        assert list(trie.items()) == [(struct.pack("<II", 32, 1), b"abcd")]


def test_everything_is_closed_after_a_refusal():
    # The fixture `nothing_left_behind` counts the descriptors.
    maps = (MapSpec("a", "hash", 4, 8, 10), MapSpec("b", "array", 4, 8, 1, initial=b"x"))
    spec = one(encode([build.exit_()]), *maps)
    with pytest.raises(VerifierError, match="register r0 is used before it is set") as caught:
        load(spec)
    assert "R0 !read_ok" in caught.value.log


@pytest.mark.parametrize(
    ("name", "line", "message"),
    [
        ("maybe_null", 27, "it uses a pointer that may be NULL"),
        ("out_of_bounds", 38, "it accesses 8 bytes at offset 24 of a map value of 8 bytes"),
        ("unbounded", 49, "an index or a length has no bounds that the verifier can see"),
        ("not_a_pointer", 57, "it reads through a value that the verifier does not know"),
        ("missing_field", 63, "this kernel has no 'struct task_struct.no_such_field'"),
        ("wrong_helper", 71, "bpf_override_return"),
    ],
)
def test_a_refusal_names_the_source_line(name, line, message):
    spec = read("refused")
    chosen = next(each for each in spec.programs if each.name == name)
    with pytest.raises(VerifierError) as caught:
        load(spec, overrides={name: chosen})
    first, second, *rest = str(caught.value).splitlines()
    assert first == f"program '{name}': load: refused by the verifier"
    assert message in second
    assert second.startswith(f"./refused.bpf.c:{line}:")
    assert any(text.startswith("      = note: the verifier: ") for text in rest)


@pytest.mark.parametrize("perf", [False, True], ids=["ringbuf", "perf"])
def test_events_by_either_ring(perf):
    spec = only(read("flows"), "emit")
    values = {"only_pid": os.getpid()}
    with load(spec, config=values, force_perf=perf) as loaded:
        assert loaded.uses_perf is perf
        assert loaded.ring_size == 8192  # 5000 rounded up
        assert loaded.maps["events"].spec.type == ("perf_event_array" if perf else "ringbuf")
        with (
            open_reader(loaded.maps["events"], loaded.ring_size) as reader,
            raw_tracepoint_open(loaded.programs["emit"].fd, "sys_enter"),
        ):
            start = time.monotonic_ns()
            os.getppid()
            assert reader.wait(5)
            seen = [struct.unpack("<QQ", record) for record in reader.read()]
    assert {pid for _, pid in seen} == {os.getpid()}
    assert all(start - 10**9 < stamp < start + 60 * 10**9 for stamp, _ in seen)


def test_a_disabled_ring_buffer_gives_perf_rings(monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", "ringbuf")
    with load(only(read("flows"), "emit")) as loaded:
        assert loaded.uses_perf


def test_btf_without_what_older_kernels_lack(monkeypatch):
    monkeypatch.setenv(
        "SYSCAST_DISABLE", "btf_func_global,btf_datasec,btf_float,btf_decl_tag,btf_enum64"
    )
    with load(without_kconfig(only(read("sample"), "on_enter"))) as loaded:
        assert loaded.programs["on_enter"].info().btf_id
    monkeypatch.setenv("SYSCAST_DISABLE", "btf")
    with load(without_kconfig(only(read("sample"), "on_enter"))) as loaded:
        assert loaded.programs["on_enter"].info().btf_id == 0


def test_helpers_of_older_kernels(monkeypatch):
    monkeypatch.setenv("SYSCAST_DISABLE", "helper_probe_read_kernel")
    with load(only(read("refused"), "none")) as loaded:
        assert not loaded.programs
    spec = without_kconfig(only(read("sample"), "on_enter"))
    with load(spec) as loaded:
        assert loaded.programs["on_enter"].info().xlated_len


def test_kernel_functions():
    spec = only(read("flows"), "BPF_calls")
    try:
        loaded = load(spec, overrides={"BPF_calls": spec.programs[0]})
    except TargetError as error:
        assert "symbol 'bpf_task_acquire': link: it is not in the BTF" in str(error)  # noqa: PT017
        return
    except VerifierError as error:
        # Older kernels have it, but not for this type of program.
        assert "calling kernel function" in error.log or "acquire" in error.log  # noqa: PT017
        return
    loaded.close()


def test_targets_that_are_not_there():
    spec = only(read("flows"), "nowhere")
    with pytest.raises(TargetError, match="there is no tracepoint 'no_such_tracepoint'"):
        load(spec, overrides={"nowhere": spec.programs[0]})
    spec = only(read("flows"), "in_function")
    wrong = msgspec.structs.replace(spec.programs[0], target="inet_listenn")
    with pytest.raises(
        TargetError, match=r"no function 'inet_listenn' .* mean inet_listen"
    ) as one:
        load(spec, overrides={"in_function": wrong})
    assert "inet_listen" in one.value.near
    wrong = msgspec.structs.replace(spec.programs[0], target="no_such_module:f")
    with pytest.raises(TargetError, match="module 'no_such_module'"):
        load(spec, overrides={"in_function": wrong})
    wrong = msgspec.structs.replace(spec.programs[0], target="")
    with pytest.raises(TargetError, match=r"section '.fentry/inet_listen' names no target"):
        load(spec, overrides={"in_function": wrong})


def test_a_warm_start_needs_no_relocation_machinery(tmp_path):
    path = tmp_path / "spec"
    path.write_bytes(only(read("flows"), "emit").encode())
    script = f"""
        import sys
        from syscast.loader import load
        from syscast.spec import ObjectSpec
        load(ObjectSpec.decode(open({str(path)!r}, 'rb').read())).close()
        print('syscast.btf.relocate' in sys.modules)
        print(sorted(set(sys.modules) & {{'numpy', 'llvmlite', 'click', 'rich', 'elftools'}}))
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
        for _ in range(2)
    ]
    assert runs == ["True\n[]\n", "False\n[]\n"]


def test_a_corrupt_cache_entry_changes_nothing(tmp_path):
    spec = only(read("flows"), "emit")
    load(spec).close()
    (entry,) = (tmp_path / "syscast/resolved").iterdir()
    good = entry.read_bytes()
    entry.write_bytes(good[:-9] + bytes(9))
    load(spec).close()
    assert entry.read_bytes() == good


def as_user(action):
    """Run in a child as uid 1000 without capabilities, and give what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(1000, 1000, 1000)
            os.setresuid(1000, 1000, 1000)
            result = None
            action()
        except Exception as error:  # noqa: BLE001 - whatever it is, the parent wants it
            result = (type(error).__name__, str(error))
        finally:
            os.write(writing, pickle.dumps(result))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


def test_without_rights_the_capability_is_named():
    # The child may not be able to read the checkout, and so not import what an error needs.
    import resource  # noqa: F401, PLC0415

    import syscast.kernel.rights  # noqa: F401, PLC0415

    spec = one(NOTHING, MapSpec("h", "hash", 4, 8, 10))
    kind, message = as_user(lambda: load(spec))
    assert kind == "PermissionDeniedError"
    assert "CAP_BPF" in message
    assert message.startswith(("map 'h': create: ", "program 'one': load: "))


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        (
            one(NOTHING, MapSpec("h", "hash", 4, 0, 10)),
            KernelError,
            r"map 'h': create: invalid argument \(type hash, key 4, value 0, 10 entries\)",
        ),
        (
            one(NOTHING, MapSpec("h", "no_such_type", 4, 4, 10)),
            KernelError,
            "map 'h': create: ",
        ),
        (
            one(NOTHING, refs=(MapRef(0, "h"),)),
            FormatError,
            "program 'one': link: instruction 0 names map 'h', which does not fit",
        ),
        (
            ObjectSpec("x", "GPL", (ProgramSpec("p", "odd", "", "", "", NOTHING),), ()),
            UsageError,
            "program 'p': load: section 'odd' gives it no type that is known",
        ),
        (
            ObjectSpec("x", "GPL", (ProgramSpec("p", "s", "kprobe", "x", "", NOTHING),), ()),
            UsageError,
            "program 'p': load: section 's' gives it no type that is known",
        ),
        (
            ObjectSpec("x", "GPL", (ProgramSpec("p", "freplace/x", "ext", "", "x", NOTHING),), ()),
            UsageError,
            "program 'p': load: programs of type ext are not supported",
        ),
    ],
    ids=["no value", "map type", "map", "type", "attach type", "ext"],
)
def test_what_is_refused(spec, error, message):
    with pytest.raises(error, match=message):
        load(spec)


def test_a_map_type_that_the_kernel_lacks(monkeypatch):
    monkeypatch.setitem(probing._known, "task_storage", features.Result("no", "x", 22))
    with pytest.raises(
        NotSupportedError, match="map 't': create: this kernel has no maps of type"
    ):
        load(one(NOTHING, MapSpec("t", "task_storage", 4, 4, 0, flags=0)))
