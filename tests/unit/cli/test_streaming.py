import os
import signal
import subprocess
import sys
import time

import pytest

from syscast.cli.failures import Interrupted
from syscast.cli.options import Options
from syscast.cli.stopping import Stopper
from syscast.cli.streaming import stream
from syscast.events.event import Event, is_loss
from syscast.events.fieldtypes import u32
from syscast.events.ledger import Ledger, LedgerRow, RaisedSite
from syscast.events.lost import Lost
from syscast.sinks.sink import SinkClosed, SinkError
from syscast.spec.meta import SiteMeta
from syscast.state.counter import Counter


class Tick(Event):
    number: u32


def ticks(*numbers):
    return [Tick(number=number) for number in numbers]


class Command:
    def __init__(self, code):
        self.code = code

    def poll(self):
        return self.code


class Session:
    """Gives batches, then waits until it is stopped or, with a command, ends by itself."""

    is_flight_recorder = False

    def __init__(self, *batches, left=(), command=None, ledger=None, waits=False):
        self.states = {}
        self.batches = list(batches)
        self.left = list(left)
        self.command = command
        self.ledger = ledger or Ledger(
            (LedgerRow(probe="p", tried=3, read=3, delivered=3, missed=0),)
        )
        self.waits = waits
        self.ended = False
        self.detached = self.closed = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def read(self, timeout=None):
        if self.detached:
            return self.left.pop(0) if self.left else []
        if self.batches:
            return self.batches.pop(0)
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.waits and not self.ended and (deadline is None or time.monotonic() < deadline):
            time.sleep(0.005)
        self.ended = self.ended or not self.waits
        return []

    def collect(self, timeout=None):
        return self.read(timeout)

    def stream(self, *, timeout=None):
        while batch := self.collect(timeout):
            yield from batch

    def stop(self):
        self.ended = True

    def detach(self):
        self.detached = True

    def close(self):
        self.closed = True

    def stats(self):
        return self.ledger

    def describe(self):
        return ["fexit on inet_listen"]

    def refused(self):
        return []


class Sink:
    name = "list"

    def __init__(self, error=None):
        self.seen = []
        self.error = error
        self.open_calls = self.closed = 0

    def open(self):
        self.open_calls += 1

    def write(self, events):
        if self.error:
            raise self.error
        assert events
        self.seen += [event.count if is_loss(event) else event.number for event in events]

    def close(self):
        self.closed += 1


def run(session, sink, accept=None, **options):
    return stream(lambda: session, lambda: sink, Options(**options), accept)


def test_everything_until_the_end_and_what_is_left_in_the_rings(capsys):
    session, sink = Session(ticks(1, 2), ticks(3), left=[ticks(4), ticks(5, 6)]), Sink()
    assert run(session, sink) == 0
    assert sink.seen == [1, 2, 3, 4, 5, 6]
    assert (sink.open_calls, sink.closed, session.closed) == (1, 1, True)
    assert capsys.readouterr().err == (
        "syscast: 3 events delivered, 0 lost (ring full 0, missed 0), 0 filtered, 0 raised\n"
    )


def test_count_ends_in_the_middle_of_a_batch():
    sink = Sink()
    assert run(Session(ticks(1, 2, 3), waits=True, left=[ticks(4)]), sink, count=2) == 0
    assert sink.seen == [1, 2]


def test_what_comes_behind_the_last_event_wanted_is_not_lost(capsys):
    row = LedgerRow(probe="p", tried=5, read=5, delivered=2, missed=0)
    session = Session(ticks(1, 2, 3, 4, 5), waits=True, ledger=Ledger((row,)))
    assert run(session, Sink(), count=2, fail_on_loss=True) == 0
    assert "2 events delivered, 0 lost" in capsys.readouterr().err


def test_only_what_is_accepted_is_shown_and_counted():
    sink = Sink()
    odd = lambda event: event.number % 2 == 1  # noqa: E731
    run(Session(ticks(1, 2, 3, 4, 5), waits=True), sink, odd, count=2)
    assert sink.seen == [1, 3]
    sink = Sink()
    run(Session(ticks(1, 2), ticks(4), left=[ticks(6, 7)]), sink, odd)
    assert sink.seen == [1, 7]


def test_the_duration_ends_a_silent_session():
    start = time.monotonic()
    assert run(Session(waits=True, left=[ticks(9)]), sink := Sink(), duration=0.1) == 0
    assert 0.1 <= time.monotonic() - start < 5
    assert sink.seen == [9]


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (7, 7), (-15, 143), (None, 0)])
def test_the_exit_code_is_the_commands_where_it_ended_by_itself(code, wanted):
    assert run(Session(ticks(1), command=Command(code)), Sink()) == wanted


def test_a_command_that_was_cut_short_gives_0():
    assert run(Session(ticks(1, 2), command=Command(7)), Sink(), count=1) == 0


LOSS = Lost(probe="p", cause="ring full", count=1_234, start=0, end=12_000_000, cpu=1)
LOST = Ledger((LedgerRow(probe="p", tried=3, dropped=2, read=1, delivered=1, missed=1),))


def test_losses_are_told_and_fail_only_if_asked(capsys):
    assert run(Session(ticks(1), ledger=LOST), Sink()) == 0
    assert "3 lost (ring full 2, missed 1)" in capsys.readouterr().err
    assert run(Session(ticks(1), ledger=LOST), Sink(), fail_on_loss=True) == 3
    assert run(Session(ticks(1), command=Command(7), ledger=LOST), Sink(), fail_on_loss=True) == 3


def test_places_that_raised_are_told(capsys):
    sites = tuple(
        RaisedSite(SiteMeta(number, "ZeroDivisionError", "probe.py", number + 1, 5, "a // b"), 2)
        for number in range(7)
    )
    run(Session(ledger=Ledger((LedgerRow(probe="p", raised=14),), sites)), Sink())
    said = capsys.readouterr().err.splitlines()
    assert said[1] == "syscast: probe.py:1:5: ZeroDivisionError 2 times: a // b"
    assert said[-1] == "syscast: 2 further places raised"
    assert len(said) == 7


def test_a_closed_pipe_ends_quietly_unless_events_were_lost(capsys):
    session, sink = Session(ticks(1), waits=True), Sink(SinkClosed("gone"))
    assert run(session, sink) == 0
    assert (session.closed, sink.closed) == (True, 1)
    assert capsys.readouterr().err == ""
    run(Session(ticks(1), ledger=LOST), Sink(SinkClosed("gone")))
    assert "3 lost" in capsys.readouterr().err


def test_a_full_disk_is_an_error_and_everything_is_closed():
    session, sink = Session(ticks(1), waits=True), Sink(SinkError("no space"))
    with pytest.raises(SinkError):
        run(session, sink)
    assert (session.closed, sink.closed) == (True, 1)


def test_verbose_says_how_probes_are_attached(capsys):
    run(Session(), Sink(), verbose=True)
    assert "syscast: fexit on inet_listen\n" in capsys.readouterr().err


def test_losses_are_told_while_they_happen(monkeypatch, capsys):
    monkeypatch.setattr("syscast.cli.streaming._LOSS_CHECK_S", 0)
    sink = Sink()
    run(Session([*ticks(1), LOSS], ticks(2), ledger=LOST), sink, lambda event: event.number == 2)
    assert sink.seen == [1_234, 2]  # what chooses among events is not asked about losses
    said = capsys.readouterr().err
    assert said.count("1,234 events lost just now") == 1


def test_losses_do_not_count_as_events():
    sink = Sink()
    run(Session([*ticks(1), LOSS, *ticks(2, 3)]), sink, count=2)
    assert sink.seen == [1, 1_234, 2]


def test_stats_shows_the_whole_ledger(capsys):
    run(Session(ledger=LOST), Sink(), stats=True)
    said = capsys.readouterr().err
    assert "PROBE  RAN" in said
    assert "3 events lost: ring full 2, missed 1" in said


def test_witnesses_that_disagree_are_told(capsys):
    row = LedgerRow(probe="p", tried=3, dropped=2, read=1, delivered=1, missed=0, gaps=4)
    assert run(Session(ledger=Ledger((row,))), Sink(), fail_on_loss=True) == 3
    said = capsys.readouterr().err
    assert "4 lost (ring full 2, missed 0, unexplained 2)" in said
    assert "syscast: probe 'p': witnesses disagree: 4 sequence numbers never came" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_normally_with_the_summary(number, capsys):
    class Killing(Session):
        def read(self, timeout=None):
            if not self.batches and not self.ended:
                os.kill(os.getpid(), number)
            return super().read(timeout)

    before = signal.getsignal(number)
    session = Killing(ticks(1), waits=True, left=[ticks(2)], command=Command(130))
    assert run(session, sink := Sink()) == 0
    assert sink.seen == [1, 2]
    assert "events delivered" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_a_signal_before_the_session_interrupts():
    with pytest.raises(Interrupted) as caught, Stopper():
        signal.raise_signal(signal.SIGTERM)
    assert caught.value.signal == signal.SIGTERM


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Stopper():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_ends_at_once():
    code = (
        "import time\n"
        "from syscast.cli.stopping import Stopper\n"
        "class Busy:\n"
        "    def stop(self): print('stopping', flush=True)\n"
        "with Stopper() as stopper:\n"
        "    stopper.watch(Busy())\n"
        "    print('ready', flush=True)\n"
        "    while True: time.sleep(0.01)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads
    ) as process:
        for line in ("ready\n", "stopping\n"):
            assert process.stdout.readline() == line
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
        assert process.wait(30) == -signal.SIGINT


@pytest.mark.parametrize(
    ("json", "shown"),
    [
        (False, "\ncalls: Counter(7)\n"),
        (True, '{"name":"calls","state":"Counter","value":7}\n'),
    ],
)
def test_state_is_shown_at_the_end(capsys, json, shown):
    session = Session()
    session.states = {"calls": Counter()}
    session.states["calls"].add(7)
    assert run(session, Sink(), json=json) == 0
    assert capsys.readouterr().out == shown
