"""Every Python block of the documentation runs, and every probe in it compiles for this kernel."""

from __future__ import annotations

import importlib.util
import re
import sys
import time
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from syscast.compiler.driver import build
from syscast.diagnostics import CompileError
from syscast.probes import registry
from syscast.probes.names import is_pattern
from syscast.session.plan import lower
from syscast.session.probe import Probe
from syscast.session.snapshot import Iterator

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
VMLINUX = Path("/sys/kernel/btf/vmlinux")


def python_of(page):
    """The page's Python blocks on the lines where they stand; other lines are empty."""
    lines = []
    inside = False
    for line in page.read_text().splitlines():
        fence = line.startswith("```")
        lines.append(line if inside and not fence else "")
        inside = not inside and line.rstrip() == "```python" if fence else inside
    return "\n".join(lines) + "\n"


WITH_PYTHON = [page for page in PAGES if python_of(page).strip()]


@pytest.fixture
def probes_of(tmp_path, monkeypatch):
    """Run a page's Python without attaching anything; give the probes that it declares."""

    def run(page):
        path = tmp_path / f"{page.stem}.py"
        path.write_text(python_of(page))
        made = []

        def noted(declare):
            def note(self, *args, **kwargs):
                declare(self, *args, **kwargs)
                made.append(self)

            return note

        for cls in (Probe, Iterator):
            monkeypatch.setattr(cls, "__init__", noted(cls.__init__))
        monkeypatch.setattr(time, "sleep", lambda _seconds: None)
        monkeypatch.setattr(Probe, "attach", lambda *_args, **_kwargs: MagicMock())
        name = f"syscast_docs_{page.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return made

    return run


@pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel shows no BTF")
@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.stem)
def test_the_probes_of_a_page_compile(page, probes_of):
    wrong = []
    group = []
    for probe in probes_of(page):
        job = probe.job()
        if is_pattern(job.target):
            continue  # what it means depends on the machine
        choice = registry.choose(job.target, job.role, here=False)
        try:
            lower([(job, choice)], follow=False)
            group.append((job, choice))
        except CompileError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    if not group:
        return
    program, *_ = lower(group, follow=False)
    assert build(program, group[0][1].types)[:4] == b"\x7fELF"


def test_the_pages_have_python():
    names = {page.name for page in WITH_PYTHON}
    assert {"README.md", "language.md"} <= names


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    prose = re.sub(r"```.*?```|`[^`]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), target
