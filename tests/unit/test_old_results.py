"""Results that nobody looks at any more go, and nothing else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from prefect.filesystems import LocalFileSystem

from fleet.changes import Plan
from flows import old_results
from flows.summary import Summary

SUMMARY = json.dumps(Summary(plan=Plan(fleet="shop")).model_dump_json())
LONG_AGO, NOW = old_results.KEPT_DAYS + 1, 0.0
"""Ages in days."""


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async def storage() -> LocalFileSystem:
        return LocalFileSystem(basepath=str(tmp_path))

    monkeypatch.setattr(old_results, "aget_default_result_storage", storage)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "content", "age", "goes"),
    [
        ("change-1.json", "{}", LONG_AGO, True),
        ("proof-1.json", "{}", LONG_AGO, True),
        ("shard-1-2-shop.json", "{}", LONG_AGO, True),
        ("beat-shard-1-2-shop.json", "{}", LONG_AGO, True),
        ("0f3a", SUMMARY, LONG_AGO, True),
        ("0f3b", SUMMARY, NOW, False),
        ("change-2.json", "{}", NOW, False),
        ("0f3c", '{"result": "of somebody else"}', LONG_AGO, False),
        ("history-shop.json", '{"runs": []}', LONG_AGO, False),
    ],
)
async def test_what_is_ours_and_old_goes(results: Path, name: str, content: str, age: float, goes: bool) -> None:
    path = results / name
    path.write_text(content, encoding="utf-8")
    written = time.time() - age * 86_400
    os.utime(path, (written, written))
    assert await old_results.remove() == goes
    assert path.exists() is not goes


async def test_a_storage_that_is_not_there_yet_holds_nothing_old(results: Path) -> None:
    results.rmdir()
    assert await old_results.remove() == 0
