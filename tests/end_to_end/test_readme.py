"""The README runs as written."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.files import load
from tests.conftest import ROOT
from tests.unit.files import load_written

pytestmark = pytest.mark.long

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.strip()]
RECURSIVE = "make test"
"""Would run this test again."""
ENDLESS = "make operate  # until Ctrl-C"
"""Runs until it is told to end; the tests of its own page run it."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The checkout as a newcomer's: everything but what was left running in the real one."""
    place = tmp_path_factory.mktemp("checkout")
    for entry in ROOT.iterdir():
        if entry.name != ".state":
            (place / entry.name).symlink_to(entry)
    yield place
    run("make stop", place)


def run(command: str, place: Path) -> subprocess.CompletedProcess[str]:
    home = place / "home"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    return subprocess.run(
        ["bash", "-c", command], cwd=place, env=environment, capture_output=True, text=True, timeout=110, check=False
    )


def test_the_commands_a_newcomer_types_first_are_there() -> None:
    assert COMMANDS[0] == "make demo"
    assert RECURSIVE in COMMANDS
    assert ENDLESS in COMMANDS


@pytest.mark.timeout(240)
def test_every_command_of_the_readme_does_what_it_says(checkout: Path) -> None:
    ordered = sorted(
        (command for command in COMMANDS if command not in (RECURSIVE, ENDLESS)), key=lambda it: it == "make stop"
    )
    told = [(command, run(command, checkout)) for command in ordered]
    for command, outcome in told:
        told_code = re.search(r"# exit code (\d)", command)
        assert outcome.returncode == int(told_code[1] if told_code else 0), (
            f"{command}\n{outcome.stdout}\n{outcome.stderr}"
        )
    printed = {command: outcome.stdout for command, outcome in told}
    promised = re.search(r"```text\n(proven .*?)\n```", README)
    assert promised is not None
    assert promised.group(1) in printed["make demo"]
    assert printed["make stop"] == "The simulator has ended.\nThe Prefect server has ended.\n"
    assert not list((checkout / "home").glob("**/prefect-server.json")), "a server that make stop does not know of"
    tree = re.search(r"```text\n(├── .*?)```", README, flags=re.DOTALL)
    assert tree is not None
    assert any(tree.group(1) in outcome.stdout for _, outcome in told)


def test_the_fleet_file_of_the_readme_is_the_demos() -> None:
    shown = re.search(r"```yaml\n(name:.*?)```", README, flags=re.DOTALL)
    assert shown is not None
    fleet, demo = load(shown.group(1)), load((ROOT / "deployments/demo/fleet.yaml").read_text(encoding="utf-8"))
    assert (fleet.name, fleet.subscription, fleet.clusters) == (demo.name, demo.subscription, demo.clusters)
    assert (fleet.vaults, fleet.identities) == (demo.vaults, demo.identities)


def test_what_the_readme_writes_once_stands_for_a_fleet() -> None:
    written = re.search(r"```yaml\n(include:.*?)```", README, flags=re.DOTALL)
    assert written is not None
    files = {
        "fleet.yaml": f"name: large\nsubscription: Playground\n{written.group(1)}",
        "clusters.yaml": "clusters: [{name: prod-west, resource_group: g}, {name: prod-north, resource_group: g}]",
        "teams/more.yaml": "identities: [{name: app}]\nworkloads: [{namespace: a, service_account: b, identity: app}]",
    }
    fleet = load_written(files)
    assert [item.name for item in fleet.identities if "shop" in item.name] == ["shop-web", "shop-web-2", "shop-web-3"]
    accounts = {(str(item), name) for item in fleet.workloads for name in item.clusters}
    assert len(accounts) == 2 + 1 + 2 * 2 + 2
    assert {item.token_expiration for item in fleet.workloads} == {7200}


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#h][^)]*)\)", README))))
def test_every_link_of_the_readme_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()
