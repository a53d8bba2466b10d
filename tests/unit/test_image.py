"""What can be said of image and manifests without a container engine or a cluster."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import PurePosixPath

import pytest
import yaml

from tests.conftest import ROOT

DEPLOYMENTS = ROOT / "deployments"
TEXT = (DEPLOYMENTS / "Dockerfile").read_text(encoding="utf-8")
LINES = [line.split(maxsplit=1) for line in re.sub(r"\\\n", " ", TEXT).splitlines() if line and line[0] != "#"]
STAGES = [number for number, (word, _) in enumerate(LINES) if word == "FROM"]
LAST = LINES[STAGES[-1] :]
INSTALLS = [
    command.strip() for word, rest in LINES if word == "RUN" for command in rest.split("&&") if "install " in command
]


def said(word: str, lines: list[list[str]] = LINES) -> list[str]:
    """What stands after each such word."""
    return [rest for first, rest in lines if first == word]


def test_it_begins_with_an_exact_python() -> None:
    (version,) = said("ARG")
    assert re.fullmatch(r"PYTHON=3\.\d+\.\d+-slim-[a-z]+", version)
    assert {source.split()[0] for source in said("FROM")} == {"python:${PYTHON}"}


def test_it_runs_as_nobody_with_a_number() -> None:
    """By number, or a cluster that asks for runAsNonRoot cannot tell."""
    *_, user = said("USER", LAST)
    assert user == "65532:65532"
    words = [word for word, _ in LAST]
    assert "USER" not in words[: words.index("COPY")], "files stay root's, so that the program cannot change itself"
    assert all(word in ("ENTRYPOINT", "CMD") for word in words[words.index("USER") + 1 :])


def test_nothing_is_built_or_installed_in_the_last_stage() -> None:
    assert len(STAGES) == 2
    assert "RUN" not in [word for word, _ in LAST]
    assert not re.search(r"\bapt(-get)?\b|gcc|build-essential", TEXT)


@pytest.mark.parametrize("command", INSTALLS)
def test_every_package_is_verified_by_hash(command: str) -> None:
    words = shlex.split(command)
    assert "--require-hashes" in words
    (lock,) = [after for word, after in pairwise(words) if word == "--requirement"]
    content = (ROOT / lock).read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9._-]+(?:\[[^]]*])?)(==| @ )", content, flags=re.MULTILINE | re.IGNORECASE)
    assert pinned
    assert content.count("--hash=sha256:") >= len(pinned)


def test_all_that_is_copied_exists() -> None:
    copied = [words.split() for words in said("COPY") if not words.startswith("--from")]
    assert all((ROOT / source).exists() for *sources, _ in copied for source in sources)


def test_the_last_stage_has_all_that_a_flow_imports() -> None:
    """Each folder that holds code, but the simulator, which is no part of what runs."""
    copied = {PurePosixPath(words.split()[0]).name for words in said("COPY", LAST) if not words.startswith("--from")}
    assert copied == {"prefect.yaml", "flows", "tasks", "fleet", "clients", "deployments"}


def test_the_entry_runs_without_a_shell() -> None:
    assert said("ENTRYPOINT", LAST) == ['["prefect"]']
    assert said("CMD", LAST)[0].startswith('["worker", "start"')


def test_no_manifest_is_forgotten() -> None:
    folder = DEPLOYMENTS / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))["resources"]
    beside = {"kustomization.yaml", "fleet.yaml", "pruning.yaml", "healing.yaml"}
    assert sorted(path.name for path in folder.iterdir()) == sorted({*listed, *beside})
