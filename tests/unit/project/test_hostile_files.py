"""Damaged BTF and ELF files: a minute of them in CI, a few seconds elsewhere.

Whatever the bytes, the answer is an object or a `SyscastError`; no other
exception, no hang, no memory beyond a small multiple of the file.
"""

from __future__ import annotations

import contextlib
import os
import random
import resource
import time
from pathlib import Path

import pytest

from syscast.btf.lookup import Btf
from syscast.errors import SyscastError
from syscast.spec.read import read_object

DATA = Path(__file__).parents[2] / "data"
SECONDS = float(os.environ.get("SYSCAST_FUZZ_SECONDS", "30" if os.environ.get("CI") else "2"))
SLOWEST_S = 5.0
GROWTH_KIB = 200 << 10

BTF_FILES = sorted(DATA.rglob("*.btf"))
ELF_FILES = sorted(DATA.rglob("*.o"))


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Cut, flip, overwrite with telling numbers, or splice."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not changed:
            break
        at = rng.randrange(len(changed))
        action = rng.randrange(5)
        if action == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif action == 1:
            value = rng.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(data)))
            changed[at : at + 4] = value.to_bytes(4, "little")
        elif action == 2:
            del changed[at:]
        elif action == 3:
            other = rng.randrange(len(changed))
            changed[at : at + 16] = changed[other : other + 16]
        else:
            changed[at] = rng.randrange(256)
    return bytes(changed)


def walk(btf: Btf) -> None:
    """Use everything a compile would use of each type."""
    for type_id in range(btf.start_id, min(len(btf), 400)):
        btf.type(type_id)
        for look in (btf.resolve, btf.size_of, btf.align_of):
            with contextlib.suppress(SyscastError):
                look(type_id)


def read_btf(data: bytes) -> None:
    walk(Btf.from_bytes(data, name="damaged"))


def read_elf(data: bytes) -> None:
    spec = read_object(data, "damaged")
    if spec.btf:
        walk(Btf.from_bytes(spec.btf, name="damaged"))


@pytest.mark.parametrize(
    ("files", "read"), [(BTF_FILES, read_btf), (ELF_FILES, read_elf)], ids=["btf", "elf"]
)
def test_damage_gives_an_error_of_ours_or_an_object(files, read):
    assert files
    seed = int(os.environ.get("SYSCAST_FUZZ_SEED", time.time_ns() & 0xFFFFFFFF))
    rng = random.Random(seed)
    originals = [file.read_bytes() for file in files]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end = time.monotonic() + SECONDS
    rounds = refused = 0
    while time.monotonic() < end:
        data = damaged(rng, rng.choice(originals))
        began = time.monotonic()
        try:
            read(data)
        except SyscastError:
            refused += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, round {rounds}: {error!r}") from error
        rounds += 1
        assert time.monotonic() - began < SLOWEST_S, f"seed {seed}, round {rounds}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert rounds > 10
    assert refused
    assert grown < GROWTH_KIB
