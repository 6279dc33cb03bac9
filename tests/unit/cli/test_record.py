"""The grammar of ``syscast record``, and what ``replay`` says, without a kernel."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from syscast.cli import outputs
from syscast.cli.main import run
from syscast.cli.options import Options
from syscast.errors import UsageError

sys.path.insert(0, str(Path(__file__).parents[1] / "session"))
from recordings import NOON, Recorded, block

from syscast.events.lost import lost
from syscast.session.recording import Recorder


@pytest.fixture
def said(capfd):
    """Run a command line; give its exit code, and what it wrote to stdout and stderr."""

    def command_line(*words):
        code = run([str(each) for each in words])
        return (code, *capfd.readouterr())

    return command_line


@pytest.fixture
def path(tmp_path):
    rand = random.Random(1)
    path = tmp_path / "file.arrows"
    with Recorder(Recorded([block(rand, 30, (3,))]), path) as recorder:
        recorder.run()
    return path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.arrows"], "nothing to record is named, such as: syscast record x.arrows"),
        (["x.arrows", "--"], "nothing to record is named"),
        (["--json", "x.arrows"], "the file comes first, before --json"),
        (["x.arrows", "--", "cat", "f"], "only a command stands behind FILE (say what to trace"),
        (
            ["x.arrows", "trace", "f", "--json"],
            "--json has no place in a recording (syscast replay",
        ),
        (
            ["x.arrows", "f", "--pressure", "overwrite"],
            "--pressure overwrite keeps events in the kernel for dumps",
        ),
        (["x.arrows", "trace", "f", "--pressure=overwrite"], "--pressure overwrite keeps events"),
        (["x.arrows", "f", "-o", "y"], "-o has no place in a recording (it goes to x.arrows)"),
        (["x.arrows", "f", "--output=y"], "--output=y has no place in a recording"),
        (["x.arrows", "count", "f"], "count has no events to record"),
        (["x.arrows", "hist", "f", "ret"], "hist has no events to record"),
        (["x.arrows", "snapshot", "tcp"], "snapshot has no events to record (write what it shows"),
        (["x.arrows", "replay", "y.arrows"], "replay has its events in a file already"),
        (["x.arrows", "stats"], "stats has no events to record"),
        (["x.arrows", "show", "vfs_read"], "show has no events to record"),
        (["x.arrows", "list"], "list has no events to record"),
        (["x.arrows", "trace"], "no target is given"),
        (["x.arrows", "f", "--nonsense"], "no such option"),
        (["/", "f"], "'/' is a directory; FILE comes first"),
    ],
)
def test_command_lines_that_say_nothing(said, words, message):
    code, out, err = said("record", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert not Path("x.arrows").exists()


@pytest.mark.parametrize("words", [["record", "x.arrows"], ["trace", "-o", "x.arrows"]])
@pytest.mark.parametrize("pressure", ["aggregate", "aggregate by comm"])
def test_counts_by_key_are_refused_before_anything_is_attached(said, words, pressure):
    code, out, err = said(*words, "syscall:getpriority", "--pressure", pressure, "--count", "1")
    assert (code, out) == (2, "")
    assert f"pressure '{pressure}': set: a recording has no place for counts by key" in err
    assert not Path("x.arrows").exists()


def test_help_shows_how_it_is_called(said):
    code, out, _ = said("record", "--help")
    assert code == 0
    assert "syscast record opens.arrows syscall:openat filename ret -- cat /etc/hosts" in out


def test_replay_as_text_as_json_and_in_parts(said, path):
    code, out, err = said("replay", path, "--json")
    assert code == 0
    assert len(out.splitlines()) == 30
    assert "when it was recorded: 30 events delivered" in err
    _, out, _ = said("replay", path, "--count", "7", "--json")
    assert len(out.splitlines()) == 7
    _, out, _ = said("replay", path, "--duration", "10ms", "--speed", "0.01", "--json")
    assert 1 <= len(out.splitlines()) < 30
    copy = path.with_name("text")
    assert said("replay", path, "-o", copy)[:2] == (0, "")
    assert len(copy.read_text().splitlines()) == 30


def test_verbose_says_where_it_comes_from(said, path):
    _, _, err = said("replay", path, "-v", "--json")
    assert "syscast: recorded 2026-" in err
    assert " on here (Linux ?" in err
    assert "syscast: kprobe on do_open" in err


def test_replay_of_what_is_no_recording(said, path, tmp_path):
    path.write_bytes(b"text\n")
    assert said("replay", path) == (
        1,
        "",
        f"syscast: recording '{path}': read: it is no recording (syscast record makes them)\n",
    )
    code, _, err = said("replay", tmp_path / "none")
    assert code == 2
    assert "open: no such file or directory" in err
    code, _, err = said("replay", path, "--speed", "quick")
    assert code == 2
    assert "speed 'quick': set: it is none (original, or a factor" in err


def test_damage_comes_behind_the_events(said, path):
    path.write_bytes(path.read_bytes()[:-50])
    code, out, err = said("replay", path, "--json")
    assert code == 1
    assert len(out.splitlines()) == 30
    assert "damaged at byte" in err
    assert "(the 30 events before it are whole)" in err


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_replay_does_not_write_over_what_it_reads(said, path, more, tmp_path):
    before = path.read_bytes()
    (tmp_path / "link").hardlink_to(path)
    for name in (path, tmp_path / "link"):
        code, out, err = said("replay", path, "-o", name, *more)
        assert (code, out) == (2, "")
        assert f"output '{name}': open: it is the file that is read" in err or more
    assert path.read_bytes() == before


def test_replay_does_not_append_to_what_it_reads(path):
    before = path.read_bytes()
    with path.open("ab") as out:
        line = [sys.executable, "-m", "syscast", "replay", str(path)]
        done = subprocess.run(line, stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"output '-': open: it is the file that is read" in done.stderr
    assert path.read_bytes() == before


def test_replay_of_what_is_no_recording_leaves_the_output_alone(said, path):
    path.write_text("no recording")
    other = path.with_name("other")
    other.write_text("precious")
    assert said("replay", path, "-o", other)[0] == 1
    assert other.read_text() == "precious"


def test_replay_shows_losses_among_the_events(said, tmp_path):
    session = Recorded([block(random.Random(1), 30, (3,))])
    gap = lost(
        "opened", "ring full", 7, start=5_400_000, end=5_500_000, cpu=2, wall=lambda at: at + NOON
    )
    session.lost = [(gap,)]
    path = tmp_path / "lossy.arrows"
    with Recorder(session, path) as recorder:
        recorder.run()
    _, out, _ = said("replay", path)
    assert len(out.splitlines()) == 31
    assert "ring full" in out
    _, out, _ = said("replay", path, "--json", "--count", "6")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line.get("cause") for line in lines] == [None] * 5 + ["ring full", None]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["count", "vfs_*"], "count"),
        (["hist", "syscall:read", "ret"], "hist"),
        (["snapshot", "tcp"], "snapshot"),
    ],
)
@pytest.mark.parametrize(("more", "end"), [([], "txt"), (["--json"], "jsonl")])
def test_commands_without_events_make_no_recording(said, tmp_path, words, name, more, end):
    path = tmp_path / "x.arrows"
    code, out, err = said(*words, "-o", path, *more)
    assert (code, out) == (2, "")
    assert f"output '{path}': write: a recording holds events, {name} has none" in err
    assert f"(give another name, such as {tmp_path / 'x'}.{end})" in err
    assert not path.exists()


@pytest.mark.parametrize("before", [None, b"", b"precious"])
def test_what_fails_before_the_events_leaves_no_empty_file(tmp_path, before):
    path = tmp_path / "x.arrows"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(UsageError), outputs.opened(Options(output=str(path))):
        raise UsageError("nothing is attached")
    assert (path.read_bytes() if path.exists() else None) == before
