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

RULE = "key vault: the challenge comes before everything else"
CONTRACT = "tests/integration/azure/test_vault_secrets.py::test_the_challenge_comes_before_everything_else"
FLOW = "tests/integration/chain/test_reconcile.py::test_nothing_is_asked_that_the_simulator_does_not_know"
FAILS = "tests/clients/test_tutorial.py::test_the_tutorial_runs_from_az_login_to_the_secret"
"""Where no clients are installed."""
DOES_NOT = "tests/unit/test_naming.py"
OUTCOMES = {
    "a flow notices": (FLOW, 0, "1 by a flow test"),
    "only the contract does": (CONTRACT, 1, f"ONLY THE CONTRACT NOTICES: {RULE}"),
    "nobody does": (DOES_NOT, 1, f"SURVIVED: {RULE}"),
    "its test fails anyway": (FAILS, 1, f"FAILS ANYWAY: {RULE}"),
}


def switched_off(record: Path, test: str) -> subprocess.CompletedProcess[str]:
    line = {"test": test, "seconds": 1.0, "rules": [RULE]}
    (record / "1.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.mutation", "--only", RULE, "--record", str(record)]
    environment = {**os.environ, "WORKLOAD_IDENTITY_CLIENTS": str(record / "none")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_rule_is_defended_only_if_a_flow_or_a_client_fails_without_it(tmp_path: Path, outcome: str) -> None:
    test, code, says = OUTCOMES[outcome]
    ended = switched_off(tmp_path, test)
    assert says in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == code


def test_what_is_listed_as_rude_exists_and_is_noticed_by_no_flow_or_client() -> None:
    switches = {switch.name: switch for switch in all_switches()}
    assert set(RUDE) <= set(switches)
    for name in RUDE:
        assert not Verdict(switches[name], "contract", "a test", 1).complaint
        assert Verdict(switches[name], "client", "a test", 1).complaint
