"""The arrows between the folders point one way, as DESIGN draws them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSE = ("flows", "tasks", "fleet", "clients", "simulator", "deployments", "tests")
MAY_IMPORT = {
    "fleet": {"fleet"},
    "clients": {"clients", "fleet"},
    "tasks": {"tasks", "clients", "fleet"},
    "flows": {"flows", "tasks", "clients", "fleet"},
    "simulator": {"simulator"},
}
CLOUD = {"azure", "msgraph", "msgraph_core", "kiota_abstractions", "kubernetes", "pyhelm3"}
MAY_NOT_IMPORT = {
    "fleet": {
        "prefect",
        *CLOUD,
        "aiohttp",
        "httpx",
        "tenacity",
        "asyncio",
        "time",
        "random",
        "os",
        "socket",
    },
    "tasks": {"prefect"},
    "flows": CLOUD,
}


def files(folder: str) -> list[Path]:
    """The Python files of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """The top-level names that a file imports, also inside functions and for types only."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            yield base[0] if base else (node.module or "").partition(".")[0]


EVERY_FILE = [
    pytest.param(folder, path, id=str(path.relative_to(ROOT))) for folder in MAY_IMPORT for path in files(folder)
]


@pytest.mark.parametrize(("folder", "path"), EVERY_FILE)
def test_a_file_imports_of_the_house_only_what_its_folder_may(folder: str, path: Path) -> None:
    assert set(imports(path)).intersection(HOUSE) <= MAY_IMPORT[folder]


@pytest.mark.parametrize(("folder", "path"), [case for case in EVERY_FILE if case.values[0] in MAY_NOT_IMPORT])
def test_a_file_imports_nothing_that_is_another_folders_matter(folder: str, path: Path) -> None:
    assert set(imports(path)).isdisjoint(MAY_NOT_IMPORT[folder])


CLOCK = {"now", "today", "utcnow"}


@pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(ROOT))) for path in files("fleet")])
def test_fleet_reads_no_clock(path: Path) -> None:
    """It reckons with instants that it is given."""
    tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    called = {node.func.attr for node in tree if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
    assert called.isdisjoint(CLOCK)


@pytest.mark.parametrize("folder", ["flows", "tasks", "fleet", "clients"])
def test_nothing_that_runs_in_production_names_the_simulator_as_a_module(folder: str) -> None:
    assert all("simulator" not in imports(path) for path in files(folder))


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_every_folder_of_the_house_has_files(folder: str) -> None:
    assert files(folder)


def test_fleet_needs_beyond_python_only_pydantic_and_yaml() -> None:
    needed = {name for path in files("fleet") for name in imports(path)} - set(sys.stdlib_module_names)
    assert needed == {"fleet", "pydantic", "pydantic_core", "yaml"}


def test_an_import_inside_a_function_and_for_types_only_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    inner = tmp_path / "tasks" / "inner"
    inner.mkdir(parents=True)
    (inner / "x.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from . import y\n"
        "from ...flows import z\n"
        "if TYPE_CHECKING:\n    import azure.core\n"
        "def f():\n    from msgraph.generated import w\n"
    )
    assert list(imports(inner / "x.py")) == ["typing", "tasks", "flows", "azure", "msgraph"]
