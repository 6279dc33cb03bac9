"""C texts to objects: what the cache in front of everything depends on, and what it spares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syscast.bcc.surroundings import Host
from syscast.compiler.asked import Asked, Question, still_true
from syscast.compiler.cunit import compile_c
from syscast.diagnostics import CompileError
from syscast.errors import InternalError

if not Path("/sys/kernel/btf/vmlinux").exists():
    pytest.skip("this kernel has no BTF", allow_module_level=True)

TEXT = (
    "BPF_HASH(h, u32, u64); int run(struct pt_regs *ctx) { u32 k = 1; h.increment(k); return 0; }"
)
INCLUDING = '#include "size.h"\nBPF_ARRAY(a, u64, SIZE);\n'


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Changing(Host):
    """This machine, with files and an option that tests change."""

    def __init__(self):
        self.files = {"size.h": b"#define SIZE 4\n"}
        self.options = {}

    def include(self, name, directory):
        del directory
        found = self.files.get(name)
        return None if found is None else (name, found)

    @property
    def config(self):
        return self.options


def test_the_second_time_it_comes_from_the_cache():
    first = compile_c(TEXT, surroundings=Host())
    second = compile_c(TEXT, surroundings=Host())
    assert (first.cached, second.cached) == (False, True)
    assert first.spec == second.spec


def test_text_name_and_flags_are_part_of_the_key():
    compile_c(TEXT, surroundings=Host())
    assert not compile_c(TEXT + "\n", surroundings=Host()).cached
    assert not compile_c(TEXT, name="other.c", surroundings=Host()).cached
    assert not compile_c(TEXT, surroundings=Host(), cflags=["-DX=1"]).cached
    assert compile_c(TEXT, surroundings=Host(), cflags=["-DX=1"]).cached


def test_an_included_file_that_changed_is_read_again():
    machine = Changing()
    assert compile_c(INCLUDING, surroundings=machine).spec.maps[0].max_entries == 4
    assert compile_c(INCLUDING, surroundings=machine).cached
    machine.files["size.h"] = b"#define SIZE 9\n"
    changed = compile_c(INCLUDING, surroundings=machine)
    assert not changed.cached
    assert changed.spec.maps[0].max_entries == 9
    del machine.files["size.h"]
    with pytest.raises(CompileError, match=r"size\.h"):
        compile_c(INCLUDING, surroundings=machine)


def test_a_file_that_appears_where_a_text_asked_for_it_compiles_again():
    text = (
        '#if __has_include("late.h")\n#include "late.h"\n#else\n#define SIZE 4\n#endif\n'
        "BPF_ARRAY(a, u64, SIZE);\n"
    )
    machine = Changing()
    assert compile_c(text, surroundings=machine).spec.maps[0].max_entries == 4
    assert compile_c(text, surroundings=machine).cached
    machine.files["late.h"] = b"#define SIZE 9\n"
    appeared = compile_c(text, surroundings=machine)
    assert not appeared.cached
    assert appeared.spec.maps[0].max_entries == 9
    del machine.files["late.h"]
    assert compile_c(text, surroundings=machine).spec.maps[0].max_entries == 4


def test_a_thousand_arms_of_one_if():
    arms = "".join(f"if (x == {n}) y = {n * 3}; else " for n in range(1000))
    text = f"BPF_HASH(h, u32, u64);\nint f(void *ctx) {{ u32 x = bpf_get_prandom_u32(); u64 y; {arms} y = 7; h.update(&x, &y); return 0; }}"
    assert [each.name for each in compile_c(text, surroundings=Host()).spec.maps] == ["h"]
    wrong = arms.replace("x == 500)", "x == nowhere)").replace("x == 900)", "x == ctx->a)")
    with pytest.raises(CompileError, match="nowhere"):
        compile_c(text.replace(arms, wrong), surroundings=Host())


def test_an_option_that_changed_compiles_again():
    text = "#ifdef CONFIG_QUICK\nBPF_HASH(quick);\n#else\nBPF_HASH(slow);\n#endif\n"
    machine = Changing()
    assert compile_c(text, surroundings=machine).spec.maps[0].name == "slow"
    machine.options["CONFIG_OTHER"] = "y"
    assert compile_c(text, surroundings=machine).cached
    machine.options["CONFIG_QUICK"] = "y"
    assert compile_c(text, surroundings=machine).spec.maps[0].name == "quick"


def test_warnings_are_kept_with_the_object():
    text = 'int run(struct pt_regs *ctx) { bpf_trace_printk("%f", 1); return 0; }'
    first = compile_c(text, surroundings=Host()).warnings
    again = compile_c(text, surroundings=Host())
    assert again.cached
    assert "conversion specifiers allowed" in first[0]
    assert again.warnings == first


def test_a_wrong_text_is_not_kept():
    for _ in range(2):
        with pytest.raises(CompileError):
            compile_c("int run(struct pt_regs *ctx) { return missing; }", surroundings=Host())


def test_a_damaged_cache_is_made_again(tmp_path):
    compile_c(TEXT, surroundings=Host())
    for path in (tmp_path / "cache/syscast/objects").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert not compile_c(TEXT, surroundings=Host()).cached


def test_the_licence_is_the_texts():
    assert compile_c(TEXT, surroundings=Host()).spec.license == "GPL"
    other = compile_c(f"#define BPF_LICENSE Dual BSD/GPL\n{TEXT}", surroundings=Host())
    assert other.spec.license == "Dual BSD/GPL"
    own = compile_c(
        f'char _license[] SEC("license") = "Proprietary";\n{TEXT}', surroundings=Host()
    )
    assert own.spec.license == "Proprietary"


def test_a_hit_imports_no_compiler():
    compile_c(TEXT, surroundings=Host())
    program = (
        "import sys; from syscast.bcc.surroundings import Host;"
        "from syscast.compiler.cunit import compile_c;"
        f"assert compile_c({TEXT!r}, surroundings=Host()).cached;"
        "heavy = {'pycparser', 'pcpp', 'llvmlite', 'numpy', 'syscast.passes', 'syscast.codegen'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_questions_are_asked_again_in_order():
    machine = Changing()
    asked = Asked(machine)
    asked.include("size.h", "")
    asked.has_helper("trace_printk")
    asked.syscall_wrapper()
    config = asked.config
    assert "CONFIG_X" not in config
    assert config.get("CONFIG_X") is None
    assert len(asked.questions) == 4  # helpers are a fact of the BTF, which is in the key
    assert still_true(asked.questions, machine)
    machine.options["CONFIG_X"] = "m"
    assert not still_true(asked.questions, machine)
    assert not still_true((Question("nonsense", (), b""),), machine)


def test_a_bug_of_the_front_end_becomes_a_report(monkeypatch):
    def fall(*_):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("syscast.frontend.c.translate.lower_text", fall)
    with pytest.raises(InternalError) as caught:
        compile_c(TEXT, name="tool.c", surroundings=Host())
    assert caught.value.cause == "text 'tool.c': lowering it failed: ZeroDivisionError: oops"
    assert TEXT in caught.value.details
