from __future__ import annotations

import pytest

from syscast.errors import KernelError, NotSupportedError
from syscast.kernel import perf

pytestmark = pytest.mark.usefixtures("bpf")


def test_a_kprobe_without_kprobe_events_says_so() -> None:
    if perf.device_type("kprobe") is not None:
        pytest.skip("this kernel has kprobe events")
    with pytest.raises(NotSupportedError, match="kprobe 'inet_listen': open: the kernel has no"):
        perf.open_kprobe("inet_listen")


def test_a_uprobe_can_be_opened_at_a_file_and_only_at_one() -> None:
    if perf.device_type("uprobe") is None:
        pytest.skip("this kernel has no uprobe events")
    perf.open_uprobe("/bin/sh", 0x1000).close()
    with pytest.raises(KernelError, match="uprobe '/no/such:0x0': open: no such file"):
        perf.open_uprobe("/no/such", 0)


def test_an_offline_cpu_is_named() -> None:
    with pytest.raises(KernelError, match="perf ring of cpu 4095: open: "):
        perf.open_bpf_output(4095)


def test_events_can_be_switched() -> None:
    with perf.open_dummy() as event:
        perf.enable(event)
        perf.disable(event)
