"""Random C programs, two ways: through syscast's C front end into the kernel, and through gcc into this process.

A program (`grammar`) is a function of six 64-bit words that returns a hash of all its variables. The kernel runs it by
BPF_PROG_TEST_RUN (`kernel`), this process as a shared library (`host`). Where C leaves the meaning open (overflow, division by
zero, wide shifts) the text says by macros what BPF does. A difference is made small (`shrink`).
"""
