"""The mutation run itself: it must be able to say that nobody notices."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

RULE = "key vault: the challenge comes before everything else"
NOTICES = "tests/integration/azure/test_vault_secrets.py::test_the_challenge_comes_before_everything_else"
DOES_NOT = "tests/unit/test_naming.py"


def switched_off(record: Path, test: str) -> subprocess.CompletedProcess[str]:
    line = {"test": test, "seconds": 1.0, "rules": [RULE]}
    (record / "1.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.mutation", "--only", RULE, "--record", str(record)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)


@pytest.mark.parametrize(
    ("test", "code", "says"),
    [(NOTICES, 0, "0 survived"), (DOES_NOT, 1, f"SURVIVED {RULE}")],
    ids=["noticed", "survived"],
)
def test_a_rule_is_defended_only_if_a_test_turns_red_without_it(
    tmp_path: Path, test: str, code: int, says: str
) -> None:
    ended = switched_off(tmp_path, test)
    assert says in ended.stdout, ended.stdout + ended.stderr
    assert ended.returncode == code
