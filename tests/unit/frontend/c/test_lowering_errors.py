"""What is wrong in functions of C: every finding of a text with its place and its hint, as users read it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.c.translate import lower_text

WRONG = Path(__file__).parent / "wrong"
GOLDEN = Path(__file__).parents[3] / "golden" / "c"
NAMES = sorted(path.stem for path in WRONG.glob("*.c"))


def findings(text, kernel, name="/virtual/main.c"):
    with pytest.raises(CompileError) as caught:
        lower_text(text, name, kernel)
    return caught.value


def inside(body, before=""):
    return f"{before} int run(struct pt_regs *ctx) {{ {body} return 0; }}"


@pytest.mark.parametrize("name", NAMES)
def test_golden(empty_kernel, name):
    golden = GOLDEN / f"{name}.err"
    said = f"{findings((WRONG / f'{name}.c').read_text(), empty_kernel, f'{name}.c')}\n"
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()


def test_every_golden_file_has_its_text():
    assert {path.stem for path in GOLDEN.glob("*.err")} == set(NAMES)
