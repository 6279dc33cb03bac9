"""The child of `host`: compiles a module natively and runs its functions. Started by path; imports nothing of the project.

Helpers are functions of a second module, in LLVM IR: a ring that is a buffer, maps that are one row of zeros, a task
that is always the same. Frames: u32 length, then parts of u32 length each (LLVM IR, strings that contexts point to, then for each function its
name, the numbers of the words that point to strings, and the contexts); the
answer is a byte (0 for good), u32 length, then for each run u32 return value, u32 length and the records.
"""

from __future__ import annotations

import ctypes
import sys

import llvmlite.binding as llvm

_ARENA = 1 << 16
_ROW = 1 << 13
_WORDS = 12
_HELPERS = f"""
@arena = global [{_ARENA} x i8] zeroinitializer, align 16
@used = global i64 0
@row = global [{_ROW} x i8] zeroinitializer, align 16

define i64 @passthrough_i64(i32 %n, i64 %value) noinline {{ ret i64 %value }}
define ptr @passthrough_ptr(i32 %n, ptr %value) noinline {{ ret ptr %value }}

define ptr @helper1(ptr %map, ptr %key) noinline {{ ret ptr @row }}
define i64 @helper5() noinline {{ ret i64 1000 }}
define i64 @helper125() noinline {{ ret i64 2000 }}
define i64 @helper8() noinline {{ ret i64 0 }}
define i64 @helper14() noinline {{ ret i64 4294967298 }}
define i64 @helper15() noinline {{ ret i64 0 }}
define i64 @helper80() noinline {{ ret i64 1 }}
define i64 @helper16(ptr %to, i64 %size) noinline {{
  call void @llvm.memset.p0.i64(ptr %to, i8 0, i64 %size, i1 false)
  store i32 1953722216, ptr %to, align 1
  ret i64 0
}}
define ptr @helper131(ptr %map, i64 %size, i64 %flags) noinline {{
  %start = load i64, ptr @used
  %head = getelementptr i8, ptr @arena, i64 %start
  store i64 %size, ptr %head
  %record = getelementptr i8, ptr %head, i64 8
  call void @llvm.memset.p0.i64(ptr %record, i8 170, i64 %size, i1 false)
  %more = add i64 %size, 15
  %whole = and i64 %more, -8
  %end = add i64 %start, %whole
  store i64 %end, ptr @used
  %full = icmp ugt i64 %end, {_ARENA - 4096}
  br i1 %full, label %no, label %yes
no:
  store i64 %start, ptr @used
  ret ptr null
yes:
  ret ptr %record
}}
define void @helper132(ptr %record, i64 %flags) noinline {{
  %kept = getelementptr i8, ptr %record, i64 -4
  store i32 1, ptr %kept
  ret void
}}
define i64 @helper112(ptr %to, i64 %size, ptr %from) noinline {{
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  ret i64 0
}}
define i64 @helper113(ptr %to, i64 %size, ptr %from) noinline {{
  call void @llvm.memcpy.p0.p0.i64(ptr %to, ptr %from, i64 %size, i1 false)
  ret i64 0
}}
define i64 @helper114(ptr %to, i64 %size, ptr %from) noinline {{
  %n = call i64 @copy_text(ptr %to, i64 %size, ptr %from)
  ret i64 %n
}}
define i64 @helper115(ptr %to, i64 %size, ptr %from) noinline {{
  %n = call i64 @copy_text(ptr %to, i64 %size, ptr %from)
  ret i64 %n
}}
define i64 @copy_text(ptr %to, i64 %size, ptr %from) noinline {{
start:
  %none = icmp eq i64 %size, 0
  br i1 %none, label %empty, label %next
empty:
  ret i64 0
next:
  %n = phi i64 [ 0, %start ], [ %m, %more ]
  %m = add i64 %n, 1
  %source = getelementptr i8, ptr %from, i64 %n
  %target = getelementptr i8, ptr %to, i64 %n
  %last = icmp eq i64 %m, %size
  %read = load i8, ptr %source
  %byte = select i1 %last, i8 0, i8 %read
  store i8 %byte, ptr %target
  %end = icmp eq i8 %byte, 0
  br i1 %end, label %done, label %more
more:
  br label %next
done:
  ret i64 %m
}}
define i64 @helper25(ptr %c, ptr %map, i64 %flags, ptr %data, i64 %size) noinline {{ ret i64 -1 }}
define void @helper133(ptr %record, i64 %flags) noinline {{ ret void }}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""


def _module(text: str, triple: str) -> llvm.ModuleRef:
    module = llvm.parse_assembly(text)
    module.triple = triple
    module.verify()
    return module


def _optimise(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    tuning.loop_vectorization = False
    tuning.slp_vectorization = False
    tuning.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)


class _Native:
    """The machine of this process, and the helpers, compiled once."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        self._triple = llvm.get_process_triple()
        machine = self._machine()
        module = _module(_HELPERS, self._triple)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        for function in module.functions:
            if not function.is_declaration:
                llvm.add_symbol(function.name, self._engine.get_function_address(function.name))
        self._used = ctypes.c_uint64.from_address(self._engine.get_global_value_address("used"))
        self._arena = self._engine.get_global_value_address("arena")
        self._row = self._engine.get_global_value_address("row")

    def _machine(self) -> llvm.TargetMachine:
        return llvm.Target.from_triple(self._triple).create_target_machine(opt=2, jit=True)

    def run(self, text: str, texts: bytes, jobs: list[tuple[str, bytes, bytes]]) -> bytes:
        declared = "\n".join(
            line.replace("noinline { ret", "{ ret")
            for line in _declarations()
            if line.partition("@")[2].partition("(")[0] in text
        )
        machine = self._machine()
        module = _module(f"{text}\n{declared}", self._triple)
        _optimise(module, machine)
        engine = llvm.create_mcjit_compiler(module, machine)
        try:
            engine.finalize_object()
            held = ctypes.create_string_buffer(texts)
            base = ctypes.addressof(held)
            answers = [
                self._function(engine.get_function_address(name), columns, words, base)
                for name, columns, words in jobs
            ]
        finally:
            engine.close()
        return b"".join(answers)

    def _function(self, address: int, columns: bytes, words: bytes, base: int) -> bytes:
        call = ctypes.CFUNCTYPE(ctypes.c_uint32, ctypes.c_void_p)(address)
        context = (ctypes.c_uint64 * _WORDS)()
        made = bytearray()
        for at in range(0, len(words), _WORDS * 8):
            ctypes.memmove(context, words[at : at + _WORDS * 8], _WORDS * 8)
            for column in columns:
                context[column] += base
            self._used.value = 0
            ctypes.memset(self._row, 0, 256)
            value = call(ctypes.addressof(context))
            records = ctypes.string_at(self._arena, self._used.value)
            made += value.to_bytes(4, "little") + len(records).to_bytes(4, "little") + records
        return bytes(made)


def _declarations() -> list[str]:
    return [
        "declare " + line[7:].partition(" noinline")[0]
        for line in _HELPERS.splitlines()
        if line.startswith("define ")
    ]


def serve() -> None:
    """Answer requests until the parent closes its end."""
    native = _Native()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while len(size := requests.read(4)) == 4:
        request = requests.read(int.from_bytes(size, "little"))
        parts = []
        at = 0
        while at < len(request):
            length = int.from_bytes(request[at : at + 4], "little")
            parts.append(request[at + 4 : at + 4 + length])
            at += 4 + length
        text, texts, *rest = parts
        jobs = [(rest[n].decode(), rest[n + 1], rest[n + 2]) for n in range(0, len(rest), 3)]
        try:
            code, answer = b"\0", native.run(text.decode(), texts, jobs)
        except RuntimeError as error:
            code, answer = b"\1", str(error).encode()
        answers.write(code + len(answer).to_bytes(4, "little") + answer)
        answers.flush()


if __name__ == "__main__":
    serve()
