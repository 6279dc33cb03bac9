"""Small C functions mean in the kernel what they mean to gcc.

``tests/data/c/meaning.c`` has the functions, ``tests/golden/c/meaning.txt`` what gcc's programs answer to the arguments
below. SYSCAST_UPDATE_GOLDEN=1 asks gcc anew; where there is a gcc, the file is held against it.
"""

from __future__ import annotations

import ctypes
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from struct import pack

import msgspec
import pytest

from syscast.bcc.surroundings import Host
from syscast.compiler.cunit import compile_c
from syscast.kernel.bpfprogs import prog_test_run
from syscast.loader.load import load

pytestmark = [pytest.mark.kernel, pytest.mark.native]

TESTS = Path(__file__).parents[1]
TEXT = (TESTS / "data" / "c" / "meaning.c").read_text()
GOLDEN = TESTS / "golden" / "c" / "meaning.txt"
NAMES = re.findall(r"^PROBE\((\w+)\)", TEXT, re.MULTILINE)
WORDS = """
#define PROBE(name) int p_##name(struct bpf_raw_tracepoint_args *ctx)
#define A ctx->args[0]
#define B ctx->args[1]
#define C ctx->args[2]
#define D ctx->args[3]
"""
HOST = """
#include <stdbool.h>
#include <stdint.h>
typedef uint8_t u8; typedef int8_t s8; typedef uint16_t u16; typedef int16_t s16;
typedef uint32_t u32; typedef int32_t s32; typedef unsigned long long u64; typedef long long s64;
struct bpf_raw_tracepoint_args { u64 args[4]; };
"""
FLAGS = ("-O1", "-w", "-fwrapv", "-fno-strict-aliasing", "-fPIC", "-shared")
MASK = (1 << 64) - 1


def word(chosen, extremes):
    return chosen.choice(extremes) if chosen.random() < 0.7 else chosen.getrandbits(64)


def vectors():
    """Four words each: extremes, and some of everything between."""
    chosen = random.Random(4)
    extremes = (0, 1, 2, 3, 7, 127, 128, 255, 256, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
    extremes += (1 << 32, 0x100000001, (1 << 63) - 1)
    extremes += tuple(-each for each in extremes)
    made = [(0, 0, 0, 0), (1, 1, 1, 1), (-1, -1, -1, -1), (10, 3, -2, 5), (-5, 9, 0, 31)]
    made += [tuple(word(chosen, extremes) for _ in range(4)) for _ in range(27)]
    return [tuple(one & MASK for one in each) for each in made]


VECTORS = vectors()


def by_gcc(directory):
    """Name to what gcc's function returns for each vector, as unsigned."""
    source, library = directory / "meaning.c", directory / "meaning.so"
    source.write_text(HOST + WORDS + TEXT)
    subprocess.run(
        ["gcc", *FLAGS, "-o", library, source],
        check=True,
    )
    loaded = ctypes.CDLL(library)
    found = {}
    for name in NAMES:
        function = getattr(loaded, f"p_{name}")
        found[name] = [function((ctypes.c_uint64 * 4)(*words)) & 0xFFFFFFFF for words in VECTORS]
    return found


def written(found):
    return "".join(
        f"{name}: {' '.join(str(each) for each in answers)}\n" for name, answers in found.items()
    )


def wanted():
    rows = (line.split(": ") for line in GOLDEN.read_text().splitlines())
    return {name: [int(each) for each in answers.split()] for name, answers in rows}


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_golden_file_is_what_gcc_says(tmp_path):
    found = by_gcc(tmp_path)
    if os.environ.get("SYSCAST_UPDATE_GOLDEN"):
        GOLDEN.write_text(written(found))
    assert written(found) == GOLDEN.read_text()


@pytest.fixture(scope="module")
def compiled():
    return compile_c(WORDS + TEXT, surroundings=Host()).spec


@pytest.mark.parametrize("name", NAMES)
def test_function_means_what_it_means_to_gcc(compiled, name):
    program = next(each for each in compiled.programs if each.name == f"p_{name}")
    assert program.type == "raw_tracepoint"
    alone = msgspec.structs.replace(compiled, programs=(program,))
    loaded = load(alone, overrides={program.name: program})
    try:
        fd = loaded.programs[program.name].fd
        answers = [
            prog_test_run(fd, ctx_in=pack("<4Q", *words)).retval & 0xFFFFFFFF for words in VECTORS
        ]
    finally:
        loaded.close()
    assert dict(zip(VECTORS, answers, strict=True)) == dict(
        zip(VECTORS, wanted()[name], strict=True)
    )
