"""Debian's bpfcc-tools, unmodified, under the drop-in: each must print what its workload makes happen.

All tools are run by `./dev bcc-tools`; here are some that together use every sort of probe and table.
"""

from __future__ import annotations

import os
import shutil

import pytest

from bcctools.rows import rows
from bcctools.tour import run

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(
        not os.environ.get("SYSCAST_VM"), reason="traces the whole system: only inside a test VM"
    ),
    pytest.mark.skipif(
        shutil.which("opensnoop-bpfcc", path="/usr/sbin") is None,
        reason="bpfcc-tools is not installed",
    ),
]

TOOLS = (
    "bashreadline",
    "execsnoop",
    "funccount",
    "opensnoop",
    "solisten",
    "vfsstat",
)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_prints_what_happens(tool):
    result = run(rows()[tool])
    assert result.right, f"{result.why}\n{result.output[-3000:]}"
