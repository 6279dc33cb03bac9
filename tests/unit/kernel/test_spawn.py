from __future__ import annotations

import os
import pathlib
import signal
import sys
import time

import pytest

from syscast.errors import KernelError, UsageError
from syscast.kernel.spawn import StoppedCommand


def wait_until_blocked(pid: int) -> str:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "S":
            break
        time.sleep(0.01)
    return state


def test_nothing_runs_before_release(tmp_path: pathlib.Path) -> None:
    mark = tmp_path / "mark"
    with StoppedCommand(["sh", "-c", f"echo ran $$ > {mark}; exit 3"]) as command:
        assert wait_until_blocked(command.pid) == "S"
        assert not mark.exists()
        assert command.poll() is None
        command.release()
        assert command.wait() == 3
        assert command.poll() == 3
        assert mark.read_text() == f"ran {command.pid}\n"


def test_unknown_and_forbidden_commands_are_refused_at_once(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UsageError, match="command 'no-such-x': start: command not found"):
        StoppedCommand(["no-such-x", "-v"])
    with pytest.raises(UsageError, match="command '/no/such': start: no such file"):
        StoppedCommand(["/no/such"])
    with pytest.raises(UsageError, match=r"permission denied \(not an executable file\)"):
        StoppedCommand([str(tmp_path)])
    with pytest.raises(UsageError, match="no command given"):
        StoppedCommand([])


def test_a_missing_interpreter_is_told(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with (
        StoppedCommand([str(script)]) as command,
        pytest.raises(KernelError, match="its interpreter is missing") as caught,
    ):
        command.release()
    assert caught.value.command == "execve"


def test_a_script_without_a_first_line_goes_to_the_shell(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script"
    script.write_text("exit $1\n")
    script.chmod(0o755)
    with StoppedCommand([str(script), "9"]) as command:
        command.release()
        assert command.wait() == 9


def test_signals_are_at_their_defaults(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "status"
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        with StoppedCommand(["sh", "-c", f"grep Sig /proc/self/status > {out}"]) as command:
            command.release()
            assert command.wait() == 0
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR2])
        signal.signal(signal.SIGUSR1, before)
    masks = dict(line.split() for line in out.read_text().splitlines())
    assert int(masks["SigIgn:"], 16) == 0
    assert int(masks["SigBlk:"], 16) == 0


def test_no_descriptor_of_ours_is_inherited(tmp_path: pathlib.Path) -> None:
    out = tmp_path / "fds"
    inheritable = {
        int(path.name)
        for path in pathlib.Path("/proc/self/fd").iterdir()
        if path.exists() and os.get_inheritable(int(path.name))
    }
    code = f"import os; open({str(out)!r}, 'w').write(' '.join(os.listdir('/proc/self/fd')))"
    with StoppedCommand([sys.executable, "-c", code]) as command:
        command.release()
        assert command.wait() == 0
    # One more is that of listdir itself, and one that of the file.
    found = {int(number) for number in out.read_text().split()}
    assert len(found - inheritable) <= 2


def test_a_command_that_was_never_released_goes_away() -> None:
    command = StoppedCommand(["sleep", "100"])
    pid = command.pid
    command.close()
    command.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_terminate_waits_and_kills_what_resists() -> None:
    with StoppedCommand(["sleep", "100"]) as command:
        command.release()
        assert command.wait(0.05) is None
        assert command.terminate() == -signal.SIGTERM
    with StoppedCommand(
        ["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done"]
    ) as command:
        command.release()
        time.sleep(0.2)
        assert command.terminate(grace=0.2) == -signal.SIGKILL
        with pytest.raises(UsageError, match="released before"):
            command.release()


def test_the_child_dies_with_a_parent_that_is_killed() -> None:
    reading, writing = os.pipe()
    middle = os.fork()
    if middle == 0:
        command = StoppedCommand(["sleep", "100"])
        os.write(writing, command.pid.to_bytes(4, "little"))
        os.kill(os.getpid(), signal.SIGKILL)
    child = int.from_bytes(os.read(reading, 4), "little")
    os.close(reading)
    os.close(writing)
    os.waitpid(middle, 0)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = pathlib.Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail("the child still waits")


def test_a_command_in_one_text_is_refused():
    with pytest.raises(UsageError, match=r"a list of words \(\['cat', '/etc/hostname'\]\)"):
        StoppedCommand("cat /etc/hostname")
