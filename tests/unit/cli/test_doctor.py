import json

import pytest

from syscast import features
from syscast.cli import doctor
from syscast.features import INCONCLUSIVE, NO, YES, Result


def answers(**outcomes):
    """All features there, but these."""
    found = dict.fromkeys(features.rows(), Result(YES))
    return found | {name: Result(outcome, "for a reason", 1) for name, outcome in outcomes.items()}


@pytest.fixture
def run(monkeypatch, capfd):
    def doctor_of(*args, **outcomes):
        monkeypatch.setattr(features, "every", lambda: answers(**outcomes))
        code = doctor.command.main(list(args), standalone_mode=False)
        return code, capfd.readouterr().out

    return doctor_of


def test_what_falls_back_is_shown_with_the_reason(run):
    code, text = run(ringbuf=NO, btf_modules=INCONCLUSIVE)
    assert code == 0
    total = len(features.rows())
    assert f"features: {total - 2} of {total} are there" in text
    assert "  no   ringbuf " in text
    assert "       instead: one perf buffer per CPU\n       because: for a reason" in text
    assert "  ?    btf_modules " in text
    assert " perf_buffer " not in text


def test_all_lists_what_is_there_too(run):
    assert "  yes  perf_buffer " in run("--all")[1]


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        (["bpf"], "bpf: for a reason"),
        (["btf_vmlinux"], "btf_vmlinux: for a reason"),
        (["ringbuf", "perf_buffer"], "no way to receive events: ringbuf: for a reason"),
        (list(doctor._ATTACH), "nothing can be attached: tp_btf: for a reason"),
    ],
)
def test_a_machine_where_nothing_works_gives_1(run, lacking, words):
    code, text = run(**dict.fromkeys(lacking, NO))
    assert code == 1
    assert words in text


def test_json_is_one_object_with_everything(run):
    code, text = run("--json", ringbuf=NO)
    assert code == 0
    (line,) = text.splitlines()
    report = json.loads(line)
    assert set(report["features"]) == set(features.rows())
    assert report["features"]["ringbuf"] == {
        "outcome": "no",
        "description": features.rows()["ringbuf"].description,
        "reason": "for a reason",
        "errno": 1,
        "fallback": features.rows()["ringbuf"].fallback,
    }
    assert report["problems"] == []
    assert report["cpus"] >= 1
