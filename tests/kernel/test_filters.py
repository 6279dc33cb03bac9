"""Each filter lets exactly the right tasks' events through, for each kind of probe.

One act, listen(2) with a number for a backlog, passes probes of every kind; who did it is known by the
number. Filters that are not about processes are tried in a VM only: elsewhere they would trace others.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes import Actor, in_child, listen, new_netns, set_comm

import syscast as sc
from syscast import features
from syscast.btf import source

pytestmark = pytest.mark.kernel

IN_VM = bool(os.environ.get("SYSCAST_VM"))
only_in_vm = pytest.mark.skipif(not IN_VM, reason="filters by no process: only inside a test VM")
ME = os.getpid()
TCP_LISTEN = 10
OTHER_UID = 1234
GROUPS = Path("/sys/fs/cgroup")


class Seen(sc.Event):
    token: sc.i32


def kprobe(_sock, backlog):
    return Seen(token=backlog)


def fentry(_sock, backlog):
    return Seen(token=backlog)


def raw_tracepoint(sk, _old, state):
    if state != TCP_LISTEN:
        return None
    return Seen(token=sk.sk_max_ack_backlog)


def syscall(backlog):
    return Seen(token=backlog)


def call(_sock, backlog):
    ret = yield
    return Seen(token=backlog + ret)


def probes():
    """One probe for each kind that this kernel has, by the kind's name."""
    found = {
        "raw_tracepoint": sc.raw_tracepoint("inet_sock_set_state")(raw_tracepoint),
        "syscall": sc.syscall("listen")(syscall),
    }
    if features.supported("kprobe") or features.supported("kprobe_multi"):
        found["kprobe"] = sc.kprobe("inet_listen")(kprobe)
    if features.supported("fentry"):
        found["fentry"] = sc.fentry("inet_listen")(fentry)
        found["call"] = sc.call("inet_listen")(call)
    return found


class Cast:
    """Who listens: each with one property that a filter can ask for."""

    def __init__(self, stack):
        self.actors = {}
        self.stack = stack
        self.groups = []
        self.add("plain")
        self.add("named", lambda: set_comm(b"some\xffname"))
        self.add("user", lambda: os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID))
        # What counts is the real user.
        self.add("effective user", lambda: os.setresuid(0, OTHER_UID, 0))
        self.add("netns", new_netns)
        if IN_VM:
            for name in ("outer", "outer/inner", "outer/inner/deep", "outer-not"):
                path = GROUPS / f"syscast-{name}"
                path.mkdir()
                self.groups.append(path)
                self.add(f"in {name}", partial(self._enter, path))

    @staticmethod
    def _enter(path):
        (path / "cgroup.procs").write_text(str(os.getpid()))

    def add(self, name, setup=lambda: None):
        actor = Actor(listen, setup)
        self.stack.callback(actor.close)
        self.actors[name] = actor

    def close(self):
        self.stack.close()
        for path in reversed(self.groups):
            path.rmdir()


@pytest.fixture(scope="module")
def cast():
    """The actors, for all tests."""
    made = Cast(contextlib.ExitStack())
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def warm():
    """What stays open for the life of the process is no leak of the first test that opens it."""
    for types in (source.kernel, *(partial(source.module, name) for name in source.modules())):
        types()
    with sc.attach(*probes().values(), pid=ME, follow=True):
        pass


class Round:
    """One session with a filter; everybody acts once, and what was seen is compared."""

    def __init__(self, **filters):
        assert IN_VM or filters.keys() & {"pid", "tid"}
        self.filters = filters
        self.wanted = []
        self.token = 100

    def __enter__(self):
        self.probes = probes()
        self.session = sc.attach(*self.probes.values(), **self.filters)
        return self

    def act(self, act, *, seen):
        """Have somebody listen; ``seen``: whether that is to be reported."""
        self.token += 1
        act(self.token)
        if seen:
            self.wanted.append(self.token)

    def __exit__(self, kind, error, trace):
        with self.session:
            if kind is not None:
                return
            self.session.detach()
            events = self.session.read(0)
            stats = self.session.stats()
            attached = len([row for row in stats if row.role in {"probe", "exit"}])
        by_probe = {}
        for event in events:
            by_probe.setdefault(event.probe, []).append(event.token)
        names = {probe.name for probe in self.probes.values()}
        assert attached == len(self.probes)
        if not self.wanted:
            assert by_probe == {}
            return
        assert set(by_probe) == names
        # kprobe, fentry and call of inet_listen share a name: each reports everything once.
        for name, tokens in by_probe.items():
            times = sum(probe.name == name for probe in self.probes.values())
            assert sorted(tokens) == sorted(self.wanted * times), (name, self.filters)
        assert stats.lost == 0


def everybody(cast, current, wanted):
    """All actors act; those in ``wanted`` are to be seen."""
    assert set(wanted) <= set(cast.actors)
    for name, actor in cast.actors.items():
        current.act(actor.do, seen=name in wanted)


@pytest.mark.native
def test_pid(cast):
    with Round(pid=cast.actors["plain"].pid) as current:
        everybody(cast, current, ["plain"])
        current.act(listen, seen=False)


@pytest.mark.native
def test_pid_holds_for_all_threads_and_no_child(cast):
    with Round(pid=ME) as current:
        everybody(cast, current, [])
        current.act(listen, seen=True)
        current.act(lambda token: run_thread(partial(listen, token)), seen=True)
        current.act(lambda token: in_child(partial(listen, token)), seen=False)


def run_thread(act):
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


class Waiting(threading.Thread):
    """A thread that listens when it is told to."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.token = 0
        self.start()

    def run(self):
        self.go.wait()
        listen(self.token)

    def act(self, token):
        self.token = token
        self.go.set()
        self.join()


@pytest.mark.native
def test_tid(cast):
    one, other = Waiting(), Waiting()
    try:
        with Round(tid=one.native_id) as current:
            everybody(cast, current, [])
            current.act(listen, seen=False)
            current.act(one.act, seen=True)
            current.act(other.act, seen=False)
    finally:
        one.go.set()
        other.go.set()


@pytest.mark.native
def test_tid_of_the_first_thread_is_not_the_process():
    with Round(tid=ME) as current:
        current.act(listen, seen=True)
        current.act(lambda token: run_thread(partial(listen, token)), seen=False)


@only_in_vm
def test_comm(cast):
    with Round(comm="some\udcffname") as current:
        everybody(cast, current, ["named"])
    before = Path("/proc/self/comm").read_bytes().rstrip(b"\n")
    with Round(comm="fifteen bytes!!") as current:
        everybody(cast, current, [])
        try:
            set_comm(b"fifteen bytes!")
            current.act(listen, seen=False)
            set_comm(b"fifteen bytes!!")
            current.act(listen, seen=True)
            set_comm(b"fifteen bytes!!")
        finally:
            set_comm(before)


@only_in_vm
def test_comm_is_whole_not_a_beginning(cast):
    with Round(comm="some") as current:
        everybody(cast, current, [])


@only_in_vm
def test_uid(cast):
    with Round(uid=OTHER_UID) as current:
        everybody(cast, current, ["user"])
        current.act(listen, seen=False)


@only_in_vm
def test_uid_of_root(cast):
    with Round(uid=0) as current:
        everybody(cast, current, set(cast.actors) - {"user"})
        current.act(listen, seen=True)


@only_in_vm
def test_netns(cast):
    inner = Path(f"/proc/{cast.actors['netns'].pid}/ns/net")
    for where in (inner.stat().st_ino, str(inner)):
        with Round(netns=where) as current:
            everybody(cast, current, ["netns"])
    with Round(netns="/proc/self/ns/net") as current:
        everybody(cast, current, set(cast.actors) - {"netns"})
    with Round(netns=1) as current:
        everybody(cast, current, [])


@only_in_vm
def test_cgroup_holds_for_descendants(cast):
    for group, wanted in {
        "outer": ["in outer", "in outer/inner", "in outer/inner/deep"],
        "outer/inner": ["in outer/inner", "in outer/inner/deep"],
        "outer/inner/deep": ["in outer/inner/deep"],
        "outer-not": ["in outer-not"],
    }.items():
        with Round(cgroup=str(GROUPS / f"syscast-{group}")) as current:
            everybody(cast, current, wanted)
            current.act(listen, seen=False)
    with Round(cgroup=str(GROUPS)) as current:
        everybody(cast, current, cast.actors)


@pytest.mark.native
def test_follow_holds_for_whoever_is_born_from_now_on(cast):
    with Round(pid=ME, follow=True) as current:
        # The actors are children too, yet older than the session.
        everybody(cast, current, [])
        current.act(listen, seen=True)
        current.act(lambda token: in_child(partial(listen, token)), seen=True)
        current.act(
            lambda token: in_child(lambda: in_child(lambda: in_child(partial(listen, token)))),
            seen=True,
        )
        current.act(lambda token: in_child(lambda: run_thread(partial(listen, token))), seen=True)
    with Round(pid=cast.actors["plain"].pid, follow=True) as current:
        everybody(cast, current, ["plain"])
        current.act(lambda token: in_child(partial(listen, token)), seen=False)


@only_in_vm
def test_all_that_is_given_must_hold(cast):
    with Round(uid=0, comm="some\udcffname") as current:
        everybody(cast, current, ["named"])
    with Round(uid=OTHER_UID, comm="some\udcffname") as current:
        everybody(cast, current, [])
    with Round(pid=cast.actors["user"].pid, uid=OTHER_UID, netns="/proc/self/ns/net") as current:
        everybody(cast, current, ["user"])


@pytest.mark.native
def test_other_filters_of_descendants():
    """What each filter asks for is asked of the task as it is at that moment."""
    base = {"pid": ME, "follow": True}

    def as_user(token):
        os.setresuid(OTHER_UID, OTHER_UID, OTHER_UID)
        listen(token)

    def named(token):
        set_comm(b"somebody")
        listen(token)

    def elsewhere(token):
        new_netns()
        listen(token)

    acts = {"uid": as_user, "comm": named, "netns": elsewhere, "plain": listen}
    here = Path("/proc/self/ns/net").stat().st_ino
    for filters, wanted in (
        ({"uid": OTHER_UID}, {"uid"}),
        ({"comm": "somebody"}, {"comm"}),
        ({"netns": here}, {"uid", "comm", "plain"}),
        ({"netns": here, "uid": 0}, {"comm", "plain"}),
    ):
        with Round(**base, **filters) as current:
            for name, act in acts.items():
                current.act(
                    lambda token, act=act: in_child(partial(act, token)), seen=name in wanted
                )


@pytest.mark.native
def test_what_filters_stop_is_counted():
    with sc.attach(*probes().values(), pid=ME, uid=OTHER_UID) as session:
        for token in range(1, 11):
            listen(token)
        session.detach()
        assert session.read(0) == []
        stats = session.stats()
    for row in stats:
        # A syscall's exit finds no state; its entry is what was filtered.
        if row.role in {"probe", "entry"}:
            assert row.filtered == row.ran >= 10, row
    assert stats.lost == 0
    assert stats.problems() == []


@pytest.mark.native
@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"pid": -1}, "filter 'pid': set: -1 is not an unsigned 32-bit number"),
        ({"uid": 1 << 32}, "filter 'uid': set: 4294967296 is not"),
        ({"comm": ""}, "filter 'comm': set: '' can never match"),
        ({"comm": "sixteen bytes!!!"}, "the kernel keeps 1 to 15 bytes"),
        ({"follow": True}, "follow what"),
        ({"netns": "none-such"}, "filter 'netns': look up /run/netns/none-such: no such file"),
        ({"netns": "/no/such"}, "filter 'netns': look up /no/such"),
        ({"cgroup": "/no/such"}, "filter 'cgroup': open /no/such: no such file"),
        ({"cgroup": "/etc/hosts"}, "filter 'cgroup': open /etc/hosts: not a directory"),
        ({"cgroup": "/etc"}, "filter 'cgroup': set: /etc is no cgroup v2 directory"),
    ],
)
def test_filters_that_make_no_sense(filters, message):
    if "pid" not in filters and not filters.get("follow"):
        filters = {**filters, "pid": ME}
    with pytest.raises(sc.UsageError) as caught:
        sc.attach(*probes().values(), **filters)
    assert message in str(caught.value)
