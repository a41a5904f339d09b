"""What may import what: rules that import-linter cannot see, because two rooms are mapped."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

HEAVY = {"torch", "open_clip", "diffusers", "transformers", "spacy", "nltk", "matplotlib",
         "distributed", "pandas"}  # fmt: skip


def modules(room: str) -> Iterator[tuple[Path, ast.Module]]:
    """Source files of a package, parsed."""
    spec = find_spec(room)
    assert spec is not None
    assert spec.submodule_search_locations
    for folder in spec.submodule_search_locations:
        for path in Path(folder).rglob("*.py"):
            if room == "conceptstats" and path.relative_to(folder).parts[0] in ("synth", "eval"):
                continue  # as a wheel lays them out
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    """Full names of what is imported anywhere in a tree."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def breaches(room: str, forbidden: str) -> list[str]:
    """Modules of a room that import another."""
    return [
        f"{path.name} imports {name}"
        for path, tree in modules(room)
        for name in imported(tree)
        if f"{name}.".startswith(f"{forbidden}.")
    ]


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("conceptstats", "conceptstats.synth"),
        ("conceptstats", "conceptstats.eval"),
        ("conceptstats.synth", "conceptstats.eval"),
        ("conceptstats.eval", "conceptstats.synth"),
    ],
)
def test_rooms_keep_apart(room: str, forbidden: str) -> None:
    """The core imports neither synth nor eval, and these do not import each other."""
    assert breaches(room, forbidden) == []


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    """No module of the core imports an optional library when it is itself imported, but models."""
    for path, tree in modules("conceptstats"):
        if path.parent.name == "models":
            continue  # which the rest of the core does not import: import-linter sees to it
        at_top = ast.Module(
            [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)], []
        )
        names = {name.split(".")[0] for name in imported(ast.Module(at_top, []))}
        assert not names & HEAVY, f"{path.name} imports {names & HEAVY}"


def test_breaches_are_found() -> None:
    """The check itself: an import of a forbidden room is seen, in every form."""
    for line in ("import conceptstats.eval", "from conceptstats import eval",
                 "from conceptstats.eval.join import x"):  # fmt: skip
        names = imported(ast.parse(line))
        assert any(f"{name}.".startswith("conceptstats.eval.") for name in names), line


def test_help_imports_nothing_heavy() -> None:
    """The help of every group comes at once, also where the heavy libraries are not installed."""
    heavy = sorted(HEAVY - {"matplotlib"} | {"PIL", "timm", "webdataset", "statsmodels", "altair"})
    code = (
        "import sys\nfrom conceptstats.cli import cli\n"
        "for group in ('synth', 'eval', 'index'):\n"
        "    cli.main([group, '--help'], standalone_mode=False)\n"
        f"print([name for name in {heavy} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
