"""What ``attach`` filters by, as the kernel side reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from syscast.errors import UsageError
from syscast.session.filters import Filters, netns_inode
from syscast.spec.meta import (
    FILTER_CGROUP,
    FILTER_COMM,
    FILTER_FOLLOW,
    FILTER_NETNS,
    FILTER_PID,
    FILTER_TID,
    FILTER_UID,
)


@pytest.mark.parametrize(
    ("filters", "config"),
    [
        (Filters(), {"flags": 0}),
        (Filters(pid=7), {"flags": FILTER_PID, "pid": 7}),
        # Whom to follow is in a map.
        (Filters(pid=7, follow=True), {"flags": FILTER_FOLLOW}),
        (Filters(tid=8, uid=0), {"flags": FILTER_TID | FILTER_UID, "tid": 8, "uid": 0}),
        (Filters(comm="sh"), {"flags": FILTER_COMM, "comm": b"sh" + bytes(14)}),
        (Filters(comm="\udcff"), {"flags": FILTER_COMM, "comm": b"\xff" + bytes(15)}),
        (Filters(netns=4026531840), {"flags": FILTER_NETNS, "netns": 4026531840}),
        (Filters(netns="4026531840"), {"flags": FILTER_NETNS, "netns": 4026531840}),
        (Filters(cgroup="/anywhere"), {"flags": FILTER_CGROUP}),
    ],
)
def test_config(filters, config):
    assert filters.config() == config


def test_a_namespace_by_path():
    here = Path("/proc/self/ns/net")
    assert netns_inode(str(here)) == here.stat().st_ino


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pid": -1}, "filter 'pid': set: -1 is not an unsigned 32-bit number"),
        ({"tid": 1 << 32}, "filter 'tid': set: 4294967296 is not"),
        ({"uid": -2}, "filter 'uid': set: -2 is not"),
        ({"comm": ""}, "filter 'comm': set: '' can never match"),
        ({"comm": "é" * 8}, "the kernel keeps 1 to 15 bytes"),
        ({"follow": True}, r"no pid is given \(follow what\?\)"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(values, message):
    with pytest.raises(UsageError, match=message):
        Filters(**values)


def test_a_namespace_that_is_not_there():
    with pytest.raises(UsageError, match="filter 'netns': look up /run/netns/nowhere: no such"):
        Filters(netns="nowhere").config()
