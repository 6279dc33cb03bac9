import click
import pytest
from click.testing import CliRunner

from syscast.cli.options import Options, TracingCommand
from syscast.errors import UsageError


@pytest.fixture
def parse():
    """Parse a command line with the common options; gives the options or the error."""

    def run(*args):
        seen = []

        @click.command("any", cls=TracingCommand)
        @click.argument("words", nargs=-1)
        def any_command(options, words):
            seen.append((options, words))

        outcome = CliRunner().invoke(any_command, args)
        return seen[0] if seen else outcome.output

    return run


def test_nothing_given_means_no_filter_and_no_limit(parse):
    assert parse() == (Options(), ())


def test_what_stands_behind_the_dashes_is_the_command(parse):
    options, words = parse("a", "--count", "3", "b", "--", "ls", "-l", "--", "--json")
    assert words == ("a", "b")
    assert options.count == 3
    assert options.command == ("ls", "-l", "--", "--json")
    assert not options.json


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("3", 3), ("1.5s", 1.5)],
)
def test_durations(parse, text, seconds):
    assert parse("--duration", text)[0].duration == seconds


@pytest.mark.parametrize("text", ["0", "-1s", "x", "10d", "", "s", "nan", "inf", "1e99h"])
def test_wrong_durations(parse, text):
    assert "is no duration, such as 10s" in parse("--duration", text)


def test_users_by_number_and_name(parse):
    assert parse("--uid", "1000")[0].uid == 1000
    assert parse("--uid", "root")[0].uid == 0
    assert "no user 'nobody_of_this_name'" in parse("--uid", "nobody_of_this_name")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--"], "no command stands behind '--'"),
        (["--pid", "1", "--", "ls"], "--pid and a command behind '--' exclude each other"),
        (["--follow"], "--follow needs --pid (follow whom?)"),
        (["--follow", "--", "ls"], "children are followed anyway"),
        (["--pid", "-1"], "--pid"),
        (["--count", "0"], "--count"),
    ],
)
def test_what_does_not_go_together(parse, args, message):
    assert message in parse(*args)


def test_filters_are_made_of_the_options(parse):
    options, _ = parse("--pid", "7", "--follow", "--comm", "nginx", "--netns", "42")
    filters = options.filters()
    assert (filters.pid, filters.follow, filters.comm) == (7, True, "nginx")
    assert filters.netns == "42"
    assert options.filters(netns=False).netns is None


def test_a_comm_that_can_never_match_is_refused(parse):
    options, _ = parse("--comm", "sixteen_letters_")
    with pytest.raises(UsageError, match="can never match"):
        options.filters()
