"""The typed intermediate representation that both front ends lower to.

A `Program` holds functions of basic blocks; ops are frozen values over registers; locals are
slots, so that a front end needs no SSA construction (LLVM makes it). Every op has a span.
"""
