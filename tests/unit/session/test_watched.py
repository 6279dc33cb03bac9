"""The process that a session's filter names."""

from __future__ import annotations

import os
import subprocess

import pytest

from syscast.errors import UsageError
from syscast.session import watched

NONE = 4_194_303


def test_a_process_lives_and_ends():
    with subprocess.Popen(["sleep", "100"]) as process:
        held = watched.watch(process.pid)
        assert held is not None
        assert held.poll() is None
        process.kill()
        process.wait()
        assert held.poll() == 0
        held.close()
        assert held.poll() == 0


def test_this_process_is_not_watched():
    assert watched.watch(os.getpid()) is None


def test_what_does_not_exist_is_refused():
    with pytest.raises(UsageError, match=f"there is no process {NONE}"):
        watched.watch(NONE)
    with pytest.raises(UsageError, match=f"there is no thread {NONE}"):
        watched.check_thread(NONE)
    watched.check_thread(os.getpid())
