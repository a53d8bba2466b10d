"""The mutation run itself: it must be able to say that nobody notices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.mutation.judging import Verdict
from tests.mutation.rude import RUDE
from tests.mutation.switches import all_switches

SDKS = "tests/integration/clients/test_management_sdks.py::test_the_sdk_finds_out"
CLIENT, GREEN = f"{SDKS}[a group]", f"{SDKS}[the tenants]"
WIRE = "tests/integration/azure/test_not_simulated.py"
CONTRACT = f"{WIRE}::test_an_unknown_member_is_told_by_resource_manager"
FAILS = "tests/clients/test_tutorial.py::test_the_tutorial_runs_from_az_login_to_the_secret"
"""Where no clients are installed."""
GONE = f"{WIRE}::test_of_another_name"

ONLY = "/subscriptions/{sub}/"
READ, WRITE, LOOK, LIST = (
    f"arm: {method} {ONLY}{path} (is not served)"
    for method, path in (
        ("GET", "resourceGroups/{rg}"),
        ("PUT", "resourceGroups/{rg}"),
        ("HEAD", "resourceGroups/{rg}"),
        ("GET", "providers"),
    )
)
APPLIED = {READ: CLIENT, WRITE: CONTRACT, LOOK: FAILS, LIST: GREEN}
"""Which test applies which rule."""
HINTS = {READ: GREEN, WRITE: CONTRACT, LOOK: GONE}
"""Of no use, any of them: one stays green, one is of the contract, one is not there."""


def mutation_run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.mutation", "--noticed", str(folder / "noticed.json"), *options]
    environment = {**os.environ, "WORKLOAD_IDENTITY_CLIENTS": str(folder / "none")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=140, check=False)


@pytest.mark.timeout(300)
def test_a_rule_is_defended_only_if_a_flow_or_a_client_fails_without_it(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.mkdir()
    for number, (switch, test) in enumerate(APPLIED.items()):
        line = {"test": test, "seconds": 1.0, "rules": [switch.rpartition(" (")[0]]}
        (record / f"{number}.jsonl").write_text(json.dumps(line), encoding="utf-8")
    (tmp_path / "noticed.json").write_text(json.dumps(HINTS), encoding="utf-8")
    ended = mutation_run(tmp_path, "--only", ONLY, "--record", str(record), "--learn")
    told = ended.stdout.splitlines()
    assert ended.returncode == 1
    assert f"ONLY THE CONTRACT NOTICES: {WRITE}" in told, ended.stdout + ended.stderr
    assert f"{FAILS} FAILS ANYWAY: {LOOK}" in told
    assert f"SURVIVED: {LIST}" in told
    assert not [line for line in told if line.endswith(f": {READ}")]

    assert json.loads((tmp_path / "noticed.json").read_text(encoding="utf-8"))[READ] == CLIENT
    again = mutation_run(tmp_path, "--only", READ)
    assert "noticed 0 by a flow test, 1 by a client test" in again.stdout, "with nothing recorded, by the hint alone"
    assert again.returncode == 0


def test_what_is_listed_as_rude_exists_and_is_noticed_by_no_flow_or_client() -> None:
    switches = {switch.name: switch for switch in all_switches()}
    assert set(RUDE) <= set(switches)
    for name in RUDE:
        assert not Verdict(switches[name], "contract", "a test", 1).complaint
        assert Verdict(switches[name], "client", "a test", 1).complaint
