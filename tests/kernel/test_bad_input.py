"""Whatever is wrong, the user gets one clear message and an exit code, and never a traceback of ours."""

from __future__ import annotations

import ctypes
import json
import os
import pickle
import re
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import FIRST_TOKEN, LIBC, ask, listen

import syscast as sc
import syscast.kernel.rights
from syscast import features
from syscast.btf import source
from syscast.cli.main import run
from syscast.session.filters import Filters
from syscast.spec.read import read_object
from syscast.symbols import kallsyms

pytestmark = [pytest.mark.kernel, pytest.mark.native]

IN_VM = bool(os.environ.get("SYSCAST_VM"))
ME = os.getpid()
PORTABLE = Path(__file__).parents[1] / "data" / "portable" / "everywhere.bpf.o"
CAP_BPF, CAP_PERFMON = 39, 38
USER = 1000
only_in_vm = pytest.mark.skipif(not IN_VM, reason="changes the machine: only inside a test VM")


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    run(["trace", "syscall:getpriority", "who", "--", "true"])


@pytest.fixture(autouse=True)
def quiet(capfd):
    """What was printed before a test is not its own."""
    capfd.readouterr()


def complaint(args, capfd, code):
    """Run the command line in this process; give what it says on stderr."""
    assert run(args) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "bug in syscast" not in err
    assert all(line.isprintable() for line in err.splitlines())
    assert err.startswith("syscast: ")
    return err


def syscast(*args, **options):
    return subprocess.run(
        [sys.executable, "-m", "syscast", *map(str, args)],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        **options,
    )


# ---------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("inet_listn", "did you mean inet_listen"),
        ("kprobe:inet_listn", "did you mean inet_listen"),
        ("fexit:inet_listn", "did you mean inet_listen"),
        ("syscall:opneat", "did you mean openat"),
        ("syscall:no_such_call", "no_such_call"),
        ("raw_tracepoint:sched_swich", "did you mean sched_switch"),
        ("no_module_is_called_so:f", "no_module_is_called_so"),
        ("nokind:nothing:atall:x", "nokind"),
        ("x\x1b31my", "can be no target"),
        ("", "no target"),
    ],
)
def test_targets_that_do_not_exist(target, words, capfd):
    assert words in complaint(["trace", target, "--pid", str(ME)], capfd, 2)


@only_in_vm
def test_tracepoints_that_do_not_exist(capfd):
    err = complaint(["trace", "tracepoint:sched:sched_swich", "--pid", str(ME)], capfd, 2)
    assert "sched_switch" in err
    err = complaint(["trace", "tracepoint:schd:sched_switch", "--pid", str(ME)], capfd, 2)
    assert "sched" in err


@only_in_vm
def test_functions_that_exist_only_as_copies(capfd):
    table = kallsyms.kernel()
    names = [
        name
        for line in Path("/proc/kallsyms").read_text().splitlines()
        if len(line.split()) == 3 and line.split()[1] in "tT"
        for name in [line.split()[2]]
    ]
    whole = set(names)
    for kind in ("isra", "constprop", "part"):
        copied = next(
            (
                name.partition(".")[0]
                for name in names
                if f".{kind}." in name and name.partition(".")[0] not in whole
            ),
            None,
        )
        if copied is None:
            continue
        err = complaint(["trace", copied, "--pid", str(ME)], capfd, 2)
        assert f".{kind}" in err
        assert table.copies(copied)


@only_in_vm
def test_functions_that_forbid_tracing(capfd):
    """noinstr code runs where nothing may be traced, on all of these kernels."""
    if not features.supported("kprobe"):
        pytest.skip(features.probe("kprobe").reason)
    err = complaint(["trace", "kprobe:exc_page_fault", "--pid", str(ME)], capfd, 2)
    assert re.search(r"notrace|forbids probes|without tracing", err), err


@only_in_vm
def test_functions_of_modules_that_are_not_loaded(capfd):
    assert not Path("/sys/module/nf_nat").exists()
    err = complaint(["trace", "nf_nat_setup_info", "--pid", str(ME)], capfd, 2)
    assert "nf_nat, which is not loaded (modprobe nf_nat)" in err
    err = complaint(["trace", "nf_nat:nf_nat_setup_info", "--pid", str(ME)], capfd, 2)
    assert "module 'nf_nat': read BTF: it is not loaded" in err


@only_in_vm
def test_what_is_inlined_everywhere(capfd):
    err = complaint(["trace", "skb_put_zero", "--pid", str(ME)], capfd, 2)
    assert "inlined" in err


# ---------------------------------------------------------------- probes


class Small(sc.Event):
    value: sc.u8


class Text(sc.Event):
    value: str


BACKLOG_NAME = "inet_listen"


def unknown_argument(who, more):
    return Small(value=who + more)


def annotated(which: str):
    return Small(value=which)


def wrong_member(who):
    return Small(value=who.member)


def text_for_number():
    return Small(value="text")


def number_for_text(who):
    return Text(value=who)


def too_large():
    return Small(value=256)


def unknown_field(who):
    return Small(valeu=who)


def missing_field():
    return Small()


def no_event(who):
    return who


def outside(who):
    return Small(value=len([x for x in range(who)]))  # noqa: C416


PROBES = {
    unknown_argument: "getpriority has no argument 'more'",
    annotated: "argument 'which' of getpriority is an integer, not str",
    wrong_member: "an integer, which has no members",
    text_for_number: "value",
    number_for_text: "field 'value' is a string, this is an integer",
    too_large: "256",
    unknown_field: "it has value",
    missing_field: "value",
    no_event: "",
    outside: "",
}


@pytest.mark.parametrize("function", PROBES, ids=lambda each: each.__name__)
def test_probes_outside_the_language(function):
    with pytest.raises(sc.CompileError) as caught:
        sc.syscall("getpriority")(function).attach(pid=ME)
    text = str(caught.value)
    assert PROBES[function] in text
    line = function.__code__.co_firstlineno
    assert re.match(rf".*test_bad_input\.py:({line}|{line + 1}):\d+: error: ", text), text
    assert "^" in text


def test_a_value_that_does_not_fit_is_counted():
    @sc.syscall("getpriority")
    def narrow(who):
        return Small(value=who - FIRST_TOKEN)

    with narrow.attach(pid=ME) as session:
        for number in (0, 255, 256, 1000, -1):
            ask(FIRST_TOKEN + number)
        session.detach()
        events = session.read(0)
        stats = session.stats()
    assert [event.value for event in events] == [0, 255]
    assert [(each.site.exception, each.count) for each in stats.sites if each.count] == [
        ("OverflowError", 3)
    ]


def test_a_script_that_is_wrong(tmp_path, capfd):
    script = tmp_path / "probe.py"
    for text, words in {
        "import syscast as sc\n@sc.syscall('getpriority')\ndef p(a, b, c, d, e, f, g): pass\n": (
            "probe.py:3:"
        ),
        "x = 1\n": "it has no probe at its top level",
        "raise LookupError('own')\n": "LookupError: own",
        "def broken(:\n": "SyntaxError",
        "import syscast as sc\n@sc.syscall('gtpriority')\ndef p(a): pass\n": (
            "did you mean getpriority"
        ),
    }.items():
        script.write_text(text)
        assert run(["run", str(script), "--pid", str(ME)]) in {1, 2}
        out, err = capfd.readouterr()
        assert out == ""
        assert words in err
        assert "bug in syscast" not in err
        assert "/src/syscast/" not in err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["trace", "syscall:getpriority", "--if", "who >", "--", "true"], "<--if>:1:"),
        (["trace", "syscall:getpriority", "who", "as", "--", "true"], "no name stands behind"),
        (["trace", "syscall:getpriority", "who as 1x", "--", "true"], "not a name"),
        (["trace", "syscall:getpriority", "who", "which as who", "--", "true"], "two fields"),
        (["trace", "syscall:getpriority", "--pid", "0x10"], "0x10"),
        (["trace", "syscall:getpriority", "--pid", "-1"], "-1"),
        (["trace", "syscall:getpriority", "--duration", "soon"], "soon"),
        (["trace", "syscall:getpriority", "--comm", "sixteen bytes!!!"], "1 to 15 bytes"),
        (["trace", "syscall:getpriority", "--uid", "no_such_user"], "no_such_user"),
        (["trace", "syscall:getpriority", "--pid", "1", "--netns", "none"], "/run/netns/none"),
        (["trace", "syscall:getpriority", "--pid", "1", "--cgroup", "/etc"], "no cgroup v2"),
        (["trace", "syscall:getpriority", "--pid", "1", "--cgroup", "/no"], "no such file"),
        (["trace", "syscall:getpriority", "--pid", "1", "--", "true"], "exclude each other"),
        (["trace", "syscall:getpriority", "--"], "no command"),
        (["trace", "syscall:getpriority", "--", "/no/\x1b[31m"], "no such file"),
        (["trace", "syscall:getpriority", "-o", "/no/such", "--", "true"], "no such file"),
        (["listen", "--port", "70000"], "70000"),
        (["run", "/no/such\x1b[31m.py"], "no such file"),
        (["run", "/etc"], "directory"),
        (["run", "/etc/hosts", "--pid", "1"], "not a Python file"),
        (["show", "inet_listn"], "inet_listen"),
        (["frobnicate"], "no such command"),
    ],
)
def test_words_that_make_no_sense(args, words, capfd):
    assert words in complaint(args, capfd, 2)


# ---------------------------------------------------------------- objects


def test_an_object_that_is_cut_off(tmp_path, capfd):
    whole = PORTABLE.read_bytes()
    cut = tmp_path / "cut\x1b[31m.bpf.o"
    for size in (4, 64, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        complaint(["run", str(cut), "--pid", str(ME)], capfd, 2)


def patched(target, code, place, new):
    """Write the portable object with an instruction of one program exchanged."""
    whole = PORTABLE.read_bytes()
    at = whole.find(code)
    assert whole.count(code) == 1
    target.write_bytes(whole[: at + place] + new + whole[at + place + len(new) :])


CALL = 0x85


def test_what_the_verifier_refuses_is_shown_with_its_line(tmp_path, capfd):
    """A call of a helper that does not exist, and a read through a number."""
    target = tmp_path / "bad.bpf.o"
    spec = read_object(PORTABLE.read_bytes(), "everywhere")
    code = next(each.insns for each in spec.programs if each.section == "tp_btf/sys_exit")
    call = bytes((CALL, 0, 0, 0))
    # The first thing that the program does: bpf_get_current_pid_tgid().
    place = code.index(call + (14).to_bytes(4, "little"))
    for at, new, words in (
        (place, call + (99999).to_bytes(4, "little"), "func"),
        (place + 8, bytes((0x79, 0x01)) + bytes(6), "it reads through a value"),
    ):
        patched(target, code, at, new)
        with pytest.raises(sc.VerifierError) as caught:
            sc.run_object(target, Filters(pid=ME))
        assert caught.value.log
        assert words in str(caught.value)
        err = complaint(["run", str(target), "--pid", str(ME)], capfd, 1)
        assert "refused by the verifier" in err
        assert re.search(r"everywhere\.py:\d+", err), err


# ---------------------------------------------------------------- rights


class Caps(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))  # fmt: skip


class CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def become(uid, capabilities):
    """An ordinary user with these capabilities only."""
    LIBC.prctl(8, 1, 0, 0, 0)  # PR_SET_KEEPCAPS
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    words = (Caps * 2)()
    for number in capabilities:
        words[number // 32].effective |= 1 << number % 32
        words[number // 32].permitted |= 1 << number % 32
    assert LIBC.capset(ctypes.byref(CapHeader(0x20080522, 0)), words) == 0


def as_user(act, capabilities, cache):
    """Run something in a child without rights; gives its result, or what it raised."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        result = None
        try:
            become(USER, capabilities)
            os.environ.update(HOME=str(cache), XDG_CACHE_HOME=str(cache))
            features.forget()
            result = act()
        except sc.SyscastError as error:
            result = (type(error).__name__, str(error))
        except BaseException as error:  # noqa: BLE001 - to be seen by the test
            result = ("unexpected", repr(error))
        finally:
            os.write(writing, pickle.dumps(result))
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    os.waitpid(child, 0)
    return pickle.loads(data)


class Seen(sc.Event):
    token: sc.i64


@sc.syscall("listen")
def by_syscall(backlog):
    return Seen(token=backlog)


@sc.raw_tracepoint("inet_sock_set_state")
def by_raw_tracepoint(sk, _old, _new):
    return Seen(token=sk.sk_max_ack_backlog)


@sc.fentry("inet_listen")
def by_fentry(_sock, backlog):
    return Seen(token=backlog)


@sc.kprobe("inet_listen")
def by_kprobe(_sock, backlog):
    return Seen(token=backlog)


@pytest.fixture(scope="module")
def user_cache(tmp_path_factory):
    """A cache that the user owns, filled by root, so that the user need not compile."""
    found = tmp_path_factory.mktemp("user")
    for parent in (found, *found.parents[:2]):
        parent.chmod(0o755)
    os.chown(found, USER, USER)
    return found


def fill(cache, probes):
    """Compile as root into the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(cache)
    try:
        features.forget()
        with sc.attach(*probes, pid=ME):
            pass
    finally:
        if before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = before
        features.forget()
    for path in cache.rglob("*"):
        os.chown(path, USER, USER)


@only_in_vm
def test_two_capabilities_suffice(user_cache):
    probes = [by_syscall, by_raw_tracepoint]
    if features.supported("fentry"):
        probes.append(by_fentry)
    if features.supported("kprobe"):
        probes.append(by_kprobe)
    fill(user_cache, probes)

    def act():
        with sc.attach(*probes, pid=os.getpid()) as session:
            listen(77)
            session.detach()
            found = {event.probe: event.token for event in session.read(0)}
            return found, session.describe(), session.stats().problems()

    found, attached, problems = as_user(act, [CAP_BPF, CAP_PERFMON], user_cache)
    assert found == {probe.name: 77 for probe in probes}, attached
    assert len(attached) >= len(probes)
    assert problems == []


@only_in_vm
@pytest.mark.parametrize(
    ("capabilities", "named"),
    [
        ([], "CAP_BPF and CAP_PERFMON are missing"),
        ([CAP_BPF], "CAP_PERFMON is missing"),
        ([CAP_PERFMON], "CAP_BPF is missing"),
    ],
)
def test_the_missing_capability_is_named(capabilities, named, user_cache):
    for act in (
        lambda: by_syscall.attach(pid=os.getpid()),
        lambda: sc.run_object(PORTABLE, Filters(pid=os.getpid())),
    ):
        kind, message = as_user(act, capabilities, user_cache)
        assert kind == "PermissionDeniedError"
        assert named in message


@only_in_vm
def test_the_command_line_with_two_capabilities_and_without(user_cache):
    drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
    own = ["env", f"HOME={user_cache}", f"XDG_CACHE_HOME={user_cache}", sys.executable, "-m"]
    words = ["syscast", "run", "--json", str(PORTABLE), "--", "cat", "/etc/hostname"]
    rights = ["--inh-caps=+bpf,+perfmon", "--ambient-caps=+bpf,+perfmon"]
    done = subprocess.run(
        [*drop, *rights, *own, *words], check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert "/etc/hostname" in {json.loads(line).get("path") for line in lines}
    assert {json.loads(line).get("uid", USER) for line in lines} == {USER}
    done = subprocess.run(
        [*drop, *own, *words], check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 1
    assert "CAP_BPF and CAP_PERFMON are missing" in done.stderr
    assert "sudo" in done.stderr or "root" in done.stderr
    assert "Traceback" not in done.stderr


# ---------------------------------------------------------------- surroundings


@only_in_vm
def test_a_kernel_without_btf(tmp_path):
    """As far as a process can see: the directory is covered in a mount namespace of its own."""
    script = (
        "mount -t tmpfs none /sys/kernel/btf; "
        f"exec {sys.executable} -m syscast trace syscall:getpriority who -- true"
    )
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        env=env,
    )
    assert done.returncode == 1, done.stderr
    assert "BTF" in done.stderr
    assert "Traceback" not in done.stderr
    assert "bug in syscast" not in done.stderr


def test_process_numbers_of_another_namespace_are_refused():
    """Filters compare the kernel's numbers: nothing would ever match."""
    done = subprocess.run(
        [
            *["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-m", "syscast"],
            *["trace", "syscall:getpriority", "who", "--", "true"],
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2
    assert "this process is in a PID namespace" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_what_the_kernel_lacks_is_named(monkeypatch, capfd):
    monkeypatch.setenv("SYSCAST_DISABLE", "tp_btf,raw_tracepoint")
    err = complaint(["trace", "syscall:getpriority", "--pid", str(ME)], capfd, 1)
    assert "SYSCAST_DISABLE" in err
    monkeypatch.setenv("SYSCAST_DISABLE", "fentry,fexit,kprobe,kprobe_multi")
    err = complaint(["trace", "inet_listen", "--pid", str(ME)], capfd, 1)
    assert "inet_listen" in err
    assert "no way on this machine" in err
    monkeypatch.setenv("SYSCAST_DISABLE", "no_such_feature")
    err = complaint(["trace", "syscall:getpriority", "--pid", str(ME)], capfd, 2)
    assert "no_such_feature" in err


@pytest.mark.parametrize("limit", [8, 12, 16, 20])
def test_too_few_descriptors(limit):
    done = syscast(
        *["trace", "syscall:getpriority", "who", "--", "true"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "bug in syscast" not in done.stderr
    assert done.returncode == 1 or "0 lost" in done.stderr
    if done.returncode:
        assert "too many open files" in done.stderr


def test_standard_streams_that_are_closed(tmp_path):
    """Descriptors 0 to 2 are free then; none of ours may land there, and the command sees them closed."""
    target = tmp_path / "events"
    words = f"-m syscast trace --json syscall:getpriority who -o {target}"
    program = f"import os; os.getpriority(0, 0); os.close(0); os.getpriority(0, {FIRST_TOKEN})"
    script = f"exec {sys.executable} {words} -- {sys.executable} -c '{program}' <&- >&- 2>&-"
    done = subprocess.run(["sh", "-c", script], check=False, timeout=200)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    # Where 0 is closed already, the second close fails.
    assert [row["who"] for row in rows] == [0]
    assert done.returncode == 1
