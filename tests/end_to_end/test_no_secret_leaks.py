"""The secret's value, the operator's own, and every token stay where they belong, also where things go wrong.

What a command prints is looked through at every run of these tests (Terminal.ended).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import psutil
import pytest
import pytest_asyncio
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.conftest import CANARY, DEMO_FLEET, running_cloud
from tests.end_to_end.command import TOKEN, Finished, PrefectApi, Terminal, eventually, files_below

pytestmark = pytest.mark.asyncio(loop_scope="module")


def quoting(application: ASGIApp) -> ASGIApp:
    """A vault that takes no secret, and quotes what it was sent."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "PUT" or not scope["path"].startswith("/secrets/"):
            return await application(scope, receive, send)
        value = (await Request(scope, receive).json())["value"]
        error = {"code": "BadParameter", "message": f"'{value}' is not a value that this vault takes."}
        return await JSONResponse({"error": error}, status_code=400)(scope, receive, send)

    return answer


@dataclass(frozen=True)
class Leaky:
    """Runs that had every opportunity to tell."""

    terminal: Terminal
    failed: Finished
    talkative: Finished


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def leaky(home: Path, prefect: PrefectApi, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Leaky]:
    async with running_cloud(tmp_path_factory.mktemp("simulator")) as cloud:
        terminal = Terminal(cloud, home)
        with mock.patch.object(cloud.simulator.proxy, "_application", quoting(cloud.simulator.proxy._application)):
            failed = await terminal.run("reconcile", DEMO_FLEET, PREFECT_LOGGING_LEVEL="DEBUG")
        talkative = await terminal.run(
            "reconcile",
            DEMO_FLEET,
            PREFECT_LOGGING_LEVEL="DEBUG",
            PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL="DEBUG",
        )
        yield Leaky(terminal, failed, talkative)


async def test_a_value_that_the_vault_refuses_and_quotes_is_not_shown(leaky: Leaky) -> None:
    assert leaky.failed.code == 1
    assert "secret sysadminas-demo-kv-secret of vault sysadminas-demo-kv: the service's answer" in leaky.failed.words
    assert "(BadParameter)" in leaky.failed.words
    assert "not tried: it comes after write secret" in leaky.failed.words
    assert "register application" in leaky.failed.words


async def test_the_run_with_every_log_line_did_its_work(leaky: Leaky) -> None:
    assert leaky.talkative.code == 0
    assert "DEBUG" in leaky.talkative.text


async def test_neither_database_nor_results_nor_logs_hold_anything_secret(leaky: Leaky, prefect: PrefectApi) -> None:
    async def logged() -> bool | None:
        return bool(await prefect.filtered("/logs/filter", logs={"flow_run_id": {"any_": [leaky.talkative.run_id]}}))

    assert await eventually(logged, "the run's log lines")
    contents = files_below(leaky.terminal.home)
    names = {path.name for path in contents}
    assert {"prefect.db", "prefect.db-wal", "prefect-server.log"} <= names
    assert any(b"sysadminas-demo-kv-secret" in text for text in contents.values()), "nothing to look through"
    for path, text in contents.items():
        found = [secret for secret in leaky.terminal.secrets() if secret in text]
        assert not found, f"a secret in {path}"
        assert not TOKEN.search(text), f"a token in {path}"


async def test_no_artifact_and_no_log_line_shows_anything_secret(leaky: Leaky, prefect: PrefectApi) -> None:
    for run in (leaky.failed, leaky.talkative):
        artifacts = await prefect.artifacts(run.run_id)
        assert artifacts
        logs = await prefect.filtered("/logs/filter", logs={"flow_run_id": {"any_": [run.run_id]}})
        text = json.dumps([artifacts, logs, await prefect.task_runs(run.run_id)]).encode()
        assert not any(secret in text for secret in leaky.terminal.secrets())
        assert not TOKEN.search(text)


async def test_the_record_of_requests_holds_nothing_secret(leaky: Leaky) -> None:
    journal = leaky.terminal.cloud.journal
    text = journal.path.read_bytes()
    assert text.count(b"\n") == len(journal.entries)
    assert not any(secret in text for secret in leaky.terminal.secrets())
    assert not TOKEN.search(text)


async def test_a_private_kubeconfig_is_removed_again(leaky: Leaky) -> None:
    assert list((leaky.terminal.home / "tmp").glob("kubeconfig-*")) == []


async def test_the_server_in_the_background_knows_no_secret(leaky: Leaky) -> None:
    card = json.loads((leaky.terminal.home / "prefect-server.json").read_text(encoding="utf-8"))
    server = psutil.Process(card["pid"])
    for process in (server, *server.children(recursive=True)):
        variables = process.environ()
        assert CANARY not in variables.values()
        assert not [name for name in variables if name.startswith("AZURE_") or name.upper().endswith("_PROXY")]
