"""BPF machine instructions: encoding, decoding, a disassembler and a small set of builders.

Pure: no kernel, no LLVM. Feature probes and the loader's stubs are written with it, and a
verifier rejection is shown with it. The instruction set is that of the kernel's
Documentation/bpf/standardization/instruction-set.rst (RFC 9669).
"""

from __future__ import annotations

from syscast.asm.instruction import Instruction, decode, decode_one, encode

__all__ = ["Instruction", "decode", "decode_one", "encode"]
