import pytest

from syscast.cli.failures import report
from syscast.cli.scripts import jobs_of
from syscast.errors import UsageError


@pytest.fixture
def script(tmp_path):
    def write(text, name="probe.py"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def test_probes_come_in_the_order_of_their_definition(script):
    jobs = jobs_of(
        script(
            "import syscast as sc\n"
            "from syscast import call, Probe\n"
            "@sc.syscall\n"
            "def openat(dfd, filename): pass\n"
            "@sc.kprobe('vfs_read')\n"
            "def second(file): pass\n"
            "same = second\n"
            "@sc.call\n"
            "def third():\n"
            "    yield\n"
            "def plain(): pass\n"
        )
    )
    assert [(job.target, job.role) for job in jobs] == [
        ("syscall:openat", "call"),
        ("kprobe:vfs_read", "probe"),
        ("third", "call"),
    ]


def test_a_neighbour_can_be_imported(script):
    script("LIMIT = 3\n", "limits_next_to_it.py")
    text = "import syscast as sc\nimport limits_next_to_it\n@sc.function\ndef f(): pass\n"
    assert len(jobs_of(script(text))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1 // 0\n", "line 1, in <module>\n    x = 1 // 0\n        ~~^^~~\nZeroDivisionError"),
        ("x =\n", "SyntaxError"),
        ("import no_such_module_at_all\n", "ModuleNotFoundError"),
        ("import syscast as sc\nclass A(sc.Event):\n    x: float\n", "no floating point"),
        ("def f(): pass\n", "it has no probe at its top level"),
    ],
)
def test_what_is_wrong_in_the_file_is_shown_without_our_frames(script, capsys, text, words):
    with pytest.raises(UsageError) as caught:
        jobs_of(script(text))
    assert report(caught.value) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "scripts.py" not in said
    assert "importlib" not in said


def test_it_must_be_a_python_file(script):
    with pytest.raises(UsageError, match="no such file"):
        jobs_of("/nonexistent.py")
    with pytest.raises(UsageError, match="not a Python file"):
        jobs_of(script("", "probe.txt"))
