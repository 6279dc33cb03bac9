"""Target strings are taken apart as documented, or refused with the form they should have."""

import pytest

from syscast.errors import UsageError
from syscast.probes.names import Name, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("inet_listen", ("", "", "inet_listen")),
        ("kprobe:inet_listen", ("kprobe", "", "inet_listen")),
        ("kretprobe:inet_listen", ("kretprobe", "", "inet_listen")),
        ("fentry:nf_tables:nft_do_chain", ("fentry", "nf_tables", "nft_do_chain")),
        ("nf_tables:nft_do_chain", ("", "nf_tables", "nft_do_chain")),
        ("tracepoint:sched:sched_switch", ("tracepoint", "sched", "sched_switch")),
        ("tp:sched:sched_switch", ("tracepoint", "sched", "sched_switch")),
        ("raw_tp:sched_switch", ("raw_tracepoint", "", "sched_switch")),
        ("tp_btf:sched_switch", ("raw_tracepoint", "", "sched_switch")),
        ("syscall:openat", ("syscall", "", "openat")),
        ("function:inet_listen", ("function", "", "inet_listen")),
        ("uprobe:/bin/bash:readline", ("uprobe", "/bin/bash", "readline")),
        ("u:c:malloc+0x4", ("uprobe", "c", "malloc+0x4")),
        ("uretprobe:/opt/a b:ns::f(int)", ("uretprobe", "/opt/a b", "ns::f(int)")),
        (" inet_listen ", ("", "", "inet_listen")),
    ],
)
def test_forms(text, expected):
    assert parse(text) == Name(*expected)


def test_the_kind_may_come_from_elsewhere():
    assert parse("inet_listen", "kprobe").kind == "kprobe"
    assert parse("kprobe:inet_listen", "kprobe").kind == "kprobe"
    assert parse("kprobe:inet_listen", "call").kind == "kprobe"
    assert parse("inet_listen", "call").kind == "function"


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":b", "a:b:c", "kprobe:", "two words", "kprobe:a:b:c"]
)
def test_other_forms_are_refused(text):
    with pytest.raises(UsageError, match=r"not of the form \[KIND:\]"):
        parse(text)


def test_two_kinds_are_refused():
    with pytest.raises(UsageError, match="it is to be a kprobe and says fentry"):
        parse("fentry:inet_listen", "kprobe")


def test_a_kind_of_user_space_means_a_file():
    assert parse("/bin/bash:readline", "uprobe") == Name("uprobe", "/bin/bash", "readline")
    assert parse("uprobe:c:malloc", "call").kind == "uprobe"
    for text in ("uprobe:", "uprobe:readline", "uprobe::f", "uprobe:/bin/bash:"):
        with pytest.raises(UsageError, match="uprobe:FILE:FUNCTION"):
            parse(text)
