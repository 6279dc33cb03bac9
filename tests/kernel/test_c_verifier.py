"""C that is right, and that LLVM likes to turn into what the verifier does not follow: it must load."""

from __future__ import annotations

import pytest

from syscast.bcc.surroundings import Host
from syscast.btf import source
from syscast.compiler.cunit import compile_c
from syscast.loader.load import load

pytestmark = pytest.mark.kernel

HEAD = """
struct rows { u64 at[69]; };
BPF_ARRAY(table, struct rows, 1);
BPF_PERCPU_ARRAY(room, struct rows, 1);
BPF_PERF_OUTPUT(events);
int f(struct bpf_raw_tracepoint_args *ctx) {
  int zero = 0;
"""
FIND = "struct rows *t = table.lookup(&zero); if (!t) return 0;"
TEXTS = {
    "half of a word as an index": "u32 n = ctx->args[0]; if (n >= 69) return 0;"
    + FIND
    + "t->at[n]++;",
    "a byte of a word as an index": "u8 n = ctx->args[0]; if (n >= 69) return 0;"
    + FIND
    + "t->at[n]++;",
    "both ends of a signed index": (
        "int n = ctx->args[0]; if (n < 0 || n > 68) return 0;" + FIND + "t->at[n]++;"
    ),
    "a masked index": FIND + "t->at[ctx->args[0] & 63] = 1;",
    "a masked index of the stack": "u8 b[8] = {}; b[ctx->args[0] & 7] = 1; return b[ctx->args[1] & 7];",
    "one of two locals": "u32 a = 1, b = 2; u32 *p = ctx->args[0] ? &a : &b; *p += 1; return a + b;",
    "a loop over a local array": (
        "u64 a[4] = {}, s = 0; for (int i = 0; i < 4; i++) a[i] = ctx->args[i];"
        "for (int i = 0; i < 4; i++) s += a[i]; return s;"
    ),
    "a loop over a table": (
        FIND + "u64 s = 0; for (int i = 0; i < 69; i++) { s += t->at[i]; } return s;"
    ),
    "a loop that leaves": (
        "char c[16] = {}; bpf_get_current_comm(&c, sizeof(c)); int n = 0;"
        "while (n < 15 && c[n]) n++; return n;"
    ),
    "a bounded length": (
        "struct rows *r = room.lookup(&zero); if (!r) return 0; u32 n = ctx->args[1];"
        "if (n > sizeof(*r)) n = sizeof(*r); bpf_probe_read(r, n, (void *)ctx->args[0]);"
        "events.perf_submit(ctx, r, n);"
    ),
    "a length that is masked": (
        "struct rows *r = room.lookup(&zero); if (!r) return 0;"
        "events.perf_submit(ctx, r, (ctx->args[1] & 255) + 1);"
    ),
    "a length from a string": (
        "struct rows *r = room.lookup(&zero); if (!r) return 0;"
        "int n = bpf_probe_read_str(r, 64, (void *)ctx->args[0]); if (n < 0 || n > 64) return 0;"
        "events.perf_submit(ctx, r, n);"
    ),
    "more locals than the stack has room for": "".join(
        f"struct rows r{n} = {{}}; r{n}.at[ctx->args[0] & 31] = {n};"
        f"events.perf_submit(ctx, &r{n}, sizeof(r{n}));"
        for n in range(3)
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _kernels_types():
    source.kernel()


@pytest.mark.parametrize("body", TEXTS.values(), ids=TEXTS.keys())
def test_the_verifier_takes_it(body):
    spec = compile_c(f"{HEAD}{body}\nreturn 0; }}", surroundings=Host()).spec
    load(spec, overrides={each.name: each for each in spec.programs}).close()
