"""``to_python`` of objects whose functions were attached, and of a file with a header beside it."""

from __future__ import annotations

import os

import pytest

from syscast.bcc import BPF, PerfSWConfig, PerfType
from syscast.btf import source

pytestmark = [pytest.mark.kernel, pytest.mark.native]

TEXT = """#include "own.h"
BPF_HASH(counts, u32, u64);
int on_user(struct pt_regs *ctx) { u32 k = WHICH; counts.increment(k); return 0; }
int on_clock(struct bpf_perf_event_data *ctx) { u32 k = 1; counts.increment(k); return 0; }
int on_page(struct bpf_perf_event_data *ctx) { return 0; }
int nowhere(struct pt_regs *ctx) { return 0; }
"""


@pytest.fixture(scope="module", autouse=True)
def loaded_types():
    """The kernel's types stay open for the process; no test is to blame for it."""
    source.kernel()


def test_functions_know_what_they_were_attached_to(tmp_path):
    (tmp_path / "own.h").write_text("#define WHICH 7\n")
    path = tmp_path / "own.c"
    path.write_text(TEXT)
    with BPF(src_file=bytes(path)) as bpf:
        bpf.attach_uprobe(name=b"c", sym=b"malloc_info", fn_name=b"on_user", pid=os.getpid())
        bpf.attach_perf_event(
            PerfType.SOFTWARE, PerfSWConfig.CPU_CLOCK, fn_name=b"on_clock", sample_freq=49
        )
        bpf.attach_perf_event(
            PerfType.SOFTWARE, PerfSWConfig.PAGE_FAULTS, fn_name=b"on_page", sample_period=10**6
        )
        text = bpf.to_python()
    uprobe = text.partition(f'# attach: only in process {os.getpid()}\n@sc.uprobe("')[2]
    assert uprobe.partition("\n")[0].endswith(':malloc_info")'), text
    assert "def on_user():\n    k = 7\n    counts[k] += 1\n" in uprobe
    assert '@sc.profile("49hz")\ndef on_clock():\n' in text
    assert "# attach: perf event of type 1, number 2, every 1000000, pid -1" in text
    assert "# attach: not known from the text\ndef nowhere():\n    pass\n" in text
