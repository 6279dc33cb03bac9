"""What is wrong with the dialect's words in a text: place, caret and hint; the golden files are what users read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syscast.diagnostics import CompileError
from syscast.frontend.c.translate import lower_text

BAD = Path(__file__).parent / "bad"
GOLDEN = Path(__file__).parents[3] / "golden" / "dialect"
TEXTS = {path.stem: path for path in sorted(BAD.glob("*.c"))}


@pytest.mark.parametrize("name", TEXTS)
def test_golden(empty_kernel, name):
    text = TEXTS[name].read_text()
    with pytest.raises(CompileError) as caught:
        lower_text(text, f"{name}.c", empty_kernel)
    golden = GOLDEN / f"{name}.err"
    said = f"{caught.value}\n"
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()
    assert "\n    " in said or "^" in said


def test_every_golden_file_has_its_text():
    assert {path.stem for path in GOLDEN.glob("*.err")} == set(TEXTS)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("%0.2f", "only %d %u %x %ld %lu %lx %lld %llu %llx %p %s conversion specifiers allowed"),
        ("%lf", "only %d %u %x %ld %lu %lx %lld %llu %llx %p %s conversion specifiers allowed"),
        ("%s %s", "cannot use several %s conversion specifiers"),
        ("%d %d %d %d", "cannot use more than 3 conversion specifiers"),
        ("a\\1b", "unrecognized character"),
        ("%lld %x %s, 100%%", ""),
        ("%p %pS\\n", ""),
    ],
)
def test_printk_warns_of_what_the_kernel_does_not_print(empty_kernel, text, warning):
    body = f'int run(struct pt_regs *ctx) {{ bpf_trace_printk("{text}", 1, 2, 3); return 0; }}'
    warnings = lower_text(body, "/virtual/main.c", empty_kernel).warnings
    assert [warning] * bool(warning) == [
        each.split("warning: ")[1].split("\n")[0] for each in warnings
    ]


def test_a_key_of_another_size_is_warned_of(empty_kernel):
    text = "BPF_HASH(h, u64, u64); int run(struct pt_regs *ctx) { u32 k = 1; h.lookup(&k); return 0; }"
    (warning,) = lower_text(text, "/virtual/main.c", empty_kernel).warnings
    assert "points to 4 bytes; the key of 'h' is 'u64' of 8" in warning
    assert "^" in warning


def test_numbers_and_pointers_without_a_cast_are_warned_of(empty_kernel):
    text = """static int text(void) { return "abc"; }
int run(struct pt_regs *ctx) {
  char *p = 5, *q = 0, *r = (char *)6;
  int n = 7;
  bool known = r;
  n++;
  q = n;
  if (known) return p;
  text();
}
"""
    warnings = lower_text(text, "main.c", empty_kernel).warnings
    assert [each.split("\n")[0] for each in warnings] == [
        "main.c:3:13: warning: a number becomes a pointer without a cast: 'int' to 'char *'",
        "main.c:7:7: warning: a number becomes a pointer without a cast: 'int' to 'char *'",
        "main.c:8:21: warning: a pointer becomes a number without a cast: 'char *' to 'int'",
        "main.c:1:32: warning: a pointer becomes a number without a cast: 'char *' to 'int'",
    ]
