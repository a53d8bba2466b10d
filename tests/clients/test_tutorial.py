"""The tutorial by hand, with unmodified az, kubectl and helm; then our tool looks at what it left."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.clients.terminal import Ended, Terminal
from tests.conftest import DEMO_FLEET, ROOT

pytestmark = pytest.mark.clients

SCRIPT = ROOT / "tests" / "clients" / "tutorial.sh"
FLEET = "sysadminas-demo"
SECRET = {"KEYVAULT_SECRET_VALUE": "sysadminas-demo-kv-secret-value"}


@pytest.fixture(scope="module")
def tutorial(terminal: Terminal) -> Ended:
    """The script, run to its end."""
    assert shutil.which("helm", path=terminal.environment["PATH"])
    terminal.environment |= SECRET
    return terminal.run(f"bash {SCRIPT}", seconds=200)


def test_the_tutorial_runs_from_az_login_to_the_secret(tutorial: Ended) -> None:
    assert tutorial.code == 0, tutorial.out + tutorial.err
    assert "read secret 'sysadminas-demo-kv-secret' from https://sysadminas-demo-kv.vault.azure.net" in tutorial.out
    assert tutorial.out.endswith("== The secret was read as sysadminas-demo-sa of sysadminas-demo\n")
    assert SECRET["KEYVAULT_SECRET_VALUE"] not in tutorial.out + tutorial.err


def test_adopting_what_the_tutorial_made_changes_nothing_but_marks_of_ownership(
    terminal: Terminal, tutorial: Ended
) -> None:
    planned = _plan(terminal, "--adopt")
    assert not planned["holds"]
    assert {change["resource"]["kind"]: _differences(change) for change in planned["changes"]} == {
        kind: {"owner": (None, FLEET)}
        for kind in ("vault", "application", "service-principal", "service-account", "deployment")
    }


def test_without_being_asked_to_adopt_it_leaves_all_of_it_alone(terminal: Terminal, tutorial: Ended) -> None:
    planned = _plan(terminal)
    assert not planned["changes"]
    mistakes = {hold["key"]: hold["reason"] for hold in planned["holds"] if hold["mistake"]}
    reason = "exists and does not carry our mark: rename ours, or set adopt: true to take it over"
    assert mistakes == dict.fromkeys(
        ("vault:sysadminas-demo-kv", "application:sysadminas-aad-workload-identity-demo-app"), reason
    )


def _plan(terminal: Terminal, *options: str) -> dict[str, Any]:
    ended = terminal.run(f"workload-identity plan {DEMO_FLEET} --json {' '.join(options)}")
    assert ended.out, ended.err
    planned: dict[str, Any] = json.loads(ended.out)
    return planned


def _differences(change: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {item["field"]: (item["old"], item["new"]) for item in change["differences"]}
