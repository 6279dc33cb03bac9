import json
from pathlib import Path

import pytest

from syscast.cli.main import run

pytestmark = pytest.mark.skipif(
    not Path("/sys/kernel/btf/vmlinux").exists(), reason="this kernel has no BTF"
)


@pytest.fixture
def shown(capfd):
    def show(*args, code=0):
        assert run(["show", *args]) == code
        streams = capfd.readouterr()
        return (streams.out if code == 0 else streams.err).splitlines()

    return show


def test_a_function_with_arguments_kinds_and_structs(shown):
    lines = shown("inet_listen")
    assert lines[:4] == [
        "int inet_listen(struct socket *sock, int backlog)",
        "  sock     struct socket *",
        "  backlog  int",
        "  ret      int",
    ]
    assert [line.split()[0] for line in lines[5:9]] == ["fentry", "kprobe", "fexit", "kretprobe"]
    assert lines[10] == "struct socket {"
    assert any("struct sock *sk;" in line for line in lines)
    assert not any(line == "struct socket {" for line in shown("inet_listen", "--depth", "0"))


def test_deeper_structs_are_expanded(shown):
    flat, deep = shown("struct socket"), shown("struct socket", "--depth", "2")
    assert any("struct socket_wq wq;" in line for line in flat)
    assert any(line.strip() == "struct socket_wq {" for line in deep)


def test_a_syscall_has_names_and_types(shown):
    lines = shown("syscall:openat")
    assert lines[0] == "long openat(int dfd, const char *filename, int flags, umode_t mode)"
    assert "  filename  const char *" in lines
    assert lines[-1].split()[:2] == ["syscall", "best"]


def test_types_by_name(shown):
    assert shown("struct", "sock")[0] == "struct sock {"
    assert shown("union bpf_attr")[0] == "union bpf_attr {"
    enum = shown("enum bpf_map_type")
    assert "    BPF_MAP_TYPE_RINGBUF = 27," in enum


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("struct sokc", "struct 'sokc': look up: the kernel has none (did you mean sock"),
        ("union sock", "union 'sock': look up: the kernel has none"),
        ("inet_lisen", "did you mean inet_listen"),
        ("syscall:opnat", "did you mean openat"),
        ("a:b:c:d", "not of the form"),
    ],
)
def test_wrong_names_have_near_ones(shown, target, words):
    assert words in shown(target, code=2)[0]


def test_targets_as_json(shown):
    (found,) = map(json.loads, shown("--json", "syscall:openat"))
    assert (found["kind"], found["name"], found["returns"]) == ("syscall", "openat", "long")
    assert found["arguments"][1] == {
        "name": "filename",
        "type": "const char *",
        "unreadable": None,
    }
    assert [(way["kind"], way["best"]) for way in found["ways"]] == [("syscall", True)]


def test_types_as_json(shown):
    struct, enum = map(json.loads, shown("--json", "struct list_head", "enum bpf_map_type"))
    assert struct["size"] == 16
    assert [(each["name"], each["offset"]) for each in struct["members"]] == [
        ("next", 0),
        ("prev", 8),
    ]
    assert enum["values"]["BPF_MAP_TYPE_RINGBUF"] == 27


def test_a_list_as_json(capfd):
    assert run(["list", "--json", "syscall:openat2"]) == 0
    (found,) = map(json.loads, capfd.readouterr().out.splitlines())
    assert (found["target"], found["kind"]) == ("syscall:openat2", "syscall")
    assert "struct open_how *" in found["signature"]
    assert run(["list", "--json", "--names", "syscall:openat2"]) == 0
    assert "signature" not in json.loads(capfd.readouterr().out)
