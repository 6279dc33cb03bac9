from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscast.asm import Instruction, build, decode, decode_one, encode, opcodes
from syscast.errors import FormatError

narrow = st.builds(
    Instruction,
    st.integers(0, 255).filter(lambda code: code != opcodes.LD_IMM64),
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
wide = st.builds(
    Instruction,
    st.just(opcodes.LD_IMM64),
    st.integers(0, 15),
    st.integers(0, 15),
    st.integers(-(1 << 15), (1 << 15) - 1),
    st.integers(0, (1 << 64) - 1),
)


@given(st.lists(narrow | wide))
def test_decode_gives_back_what_was_encoded(program: list[Instruction]) -> None:
    code = encode(program)
    assert len(code) == 8 * sum(one.slots for one in program)
    assert list(decode(code)) == program


@given(st.binary(max_size=64))
def test_any_bytes_decode_or_raise_a_format_error(code: bytes) -> None:
    try:
        program = list(decode(code))
    except FormatError:
        return
    assert encode(program) == code


def test_bytes_are_those_of_the_kernel() -> None:
    # From "r0 = 1; exit" as clang writes it.
    assert encode([build.mov_imm(0, 1), build.exit_()]).hex() == (
        "b7000000010000009500000000000000"
    )
    assert build.load(opcodes.BPF_DW, 2, 10, -8).encode().hex() == "79a2f8ff00000000"
    assert build.load_map(1, 5).encode().hex() == "18110000050000000000000000000000"
    assert build.load_imm64(1, -1).encode().hex() == "18010000ffffffff00000000ffffffff"


@pytest.mark.parametrize(
    "one",
    [
        Instruction(0xB7, dst=16),
        Instruction(0xB7, src=-1),
        Instruction(0xB7, off=1 << 15),
        Instruction(0xB7, imm=1 << 31),
        Instruction(256),
        Instruction(opcodes.LD_IMM64, imm=1 << 64),
    ],
)
def test_fields_that_do_not_fit_are_refused(one: Instruction) -> None:
    with pytest.raises(ValueError, match="instruction 0x"):
        one.encode()


def test_truncated_and_malformed_code_names_the_byte() -> None:
    with pytest.raises(FormatError, match="read byte 8: the code ends at byte 12"):
        list(decode(build.exit_().encode() + b"\0\0\0\0"))
    with pytest.raises(FormatError, match="no second slot"):
        decode_one(build.load_imm64(0, 1).encode()[:8])
    with pytest.raises(FormatError, match="fields set"):
        decode_one(build.load_imm64(0, 1).encode()[:8] + build.exit_().encode())
