from __future__ import annotations

import fcntl
import os

import pytest

from syscast.kernel.descriptors import Fd, lifted


def test_close_happens_once_and_use_afterwards_names_the_object() -> None:
    fd = Fd.open("/dev/null")
    number = fd.fileno()
    fd.close()
    fd.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
    with pytest.raises(ValueError, match="file '/dev/null': use: the descriptor is closed"):
        fd.fileno()
    assert repr(fd) == "Fd(closed, \"file '/dev/null'\")"


def test_everything_is_closed_on_exec() -> None:
    with Fd.open("/dev/null") as one, one.duplicate() as two:
        for fd in (one, two):
            assert fcntl.fcntl(fd.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_standard_streams_numbers_are_left() -> None:
    kept = os.dup(0)
    try:
        os.close(0)
        number = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        assert number == 0
        with Fd(number) as fd:
            assert fd.fileno() > 2
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(0)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert lifted(77) == 77


def test_a_forgotten_descriptor_warns_and_is_closed() -> None:
    fd = Fd.open("/dev/null")
    number = fd.fileno()
    with pytest.warns(ResourceWarning, match="file '/dev/null': never closed"):
        del fd
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_release_hands_the_number_over() -> None:
    fd = Fd.open("/dev/null")
    number = fd.release()
    fd.close()
    os.fstat(number)
    os.close(number)


def test_a_forked_child_closes_its_own_copy_only() -> None:
    fd = Fd.open("/dev/null")
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            fd.__del__()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    os.fstat(fd.fileno())
    fd.close()
