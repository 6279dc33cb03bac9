"""Proof that the probe language is exact: random probes, run by CPython, by this machine and by the kernel.

`./dev differential` generates probes (`grammar`), runs each on many inputs (`inputs`) in three ways, and compares events,
exceptions and their lines (`engine`): CPython with integers that know the machine's two kinds (`reference`), the compiler's IR
as native code (`host`), and the kernel by BPF_PROG_TEST_RUN (`kernel`). A difference is made small (`shrink`). `mutants` plants
wrong lowerings to show that the harness would see them; `acceptance` asks the verifier about probes over real kernel types.
"""
