"""Stripping keeps all that a loader reads."""

from __future__ import annotations

import pytest
from sketch import Kernel, listen, tracing

from syscast import codegen, passes
from syscast.codegen.child import Child
from syscast.codegen.llvmtext import module_text
from syscast.codegen.objectmeta import object_meta
from syscast.codegen.objfile import strip
from syscast.elf import Elf
from syscast.errors import FormatError
from syscast.spec.read import read_object


@pytest.fixture(scope="module")
def objects():
    kernel = Kernel()
    made = passes.run(listen(kernel, tracing(), filtered=True), kernel.btf)
    text = module_text(made, kernel.btf, object_meta(made, kernel.btf))
    with Child() as child:
        whole = child.compile(text, codegen.CPU)
    return whole, strip(whole)


def test_the_blueprint_is_the_same(objects):
    whole, stripped = objects
    assert read_object(whole, "probe") == read_object(stripped, "probe")


def test_nothing_of_dwarf_is_left(objects):
    whole, stripped = objects
    names = {section.name for section in Elf(stripped).sections}
    assert not any("debug" in name or "eh_frame" in name for name in names)
    assert {".BTF", ".BTF.ext", ".rel.BTF.ext", ".syscast", ".maps", "license"} <= names
    assert len(stripped) < len(whole)


def test_stripping_again_changes_nothing(objects):
    assert strip(objects[1]) == objects[1]


def test_symbols_keep_their_names_and_places(objects):
    def symbols(data):
        elf = Elf(data)
        names = {section.number: section.name for section in elf.sections}
        table = elf.section(".symtab")
        return {
            (symbol.name, names.get(symbol.section), symbol.value, symbol.size)
            for symbol in elf.symbols(table)
            if symbol.name and ".debug" not in names.get(symbol.section, "")
        }

    whole, stripped = objects
    assert symbols(whole) == symbols(stripped)


def test_other_bytes():
    with pytest.raises(FormatError):
        strip(b"not an object")
