"""Who attaches to a container hears what it prints from then on, and learns that it has ended."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import Commands, heard
from running_cluster import Running, script
from websockets.exceptions import InvalidStatus

from simulator.kubernetes.deletion import DeleteOptions, delete
from simulator.kubernetes.resources import by_key

Json = dict[str, Any]

PATH = "/api/v1/namespaces/default/pods/p/attach?container=app&stdout=true&stderr=true"
TWO_LINES = """
import os, pathlib, time
print('before', flush=True)
while not (pathlib.Path(os.environ['E']) / 'go').exists():
    time.sleep(0.01)
print('after', flush=True)
"""
TICKS = "import time\nwhile True: print('tick', flush=True); time.sleep(0.01)"
CONTAINER = script(TWO_LINES, env=[{"name": "E", "value": "/e"}], volumeMounts=[{"name": "e", "mountPath": "/e"}])
KUBECTL = shutil.which("kubectl") or shutil.which("kubectl", path=Path(sys.executable).parent)


@pytest.fixture
async def commands(running: Running) -> AsyncIterator[Commands]:
    """The way to the pod ``p``, which has printed a line and prints another one when it is told to go on."""
    commands = Commands(running)
    commands.url = f"http://127.0.0.1:{await commands.proxy.start()}"
    await running.pod(containers=[CONTAINER], volumes=[{"name": "e", "emptyDir": {}}], restartPolicy="Never")
    await running.phase("Running")
    for _ in range(200):
        if "before" in running.log():
            break
        await asyncio.sleep(0.02)
    yield commands
    await commands.proxy.stop()


async def go_on(commands: Commands) -> None:
    assert (await commands.run("sh", "-c", "touch $E/go", container="app")).code == 0


async def test_only_what_is_printed_from_then_on_is_heard_and_the_end(commands: Commands) -> None:
    async with commands.socket(PATH) as socket:
        assert await socket.recv() == b"\x01"
        await socket.send(b"\x00nobody reads this")
        await socket.send(b"\xff\x00")
        await socket.send(b'\x04{"Width":80,"Height":24}')
        await go_on(commands)
        told = await heard(socket)
    assert (told.out, told.err, told.closed) == (b"after\n", b"", 1000)
    assert told.outcome == {"metadata": {}, "status": "Success"}


async def test_the_container_goes_on_when_its_listener_leaves(commands: Commands) -> None:
    async with commands.socket(PATH) as socket:
        assert await socket.recv() == b"\x01"
    await go_on(commands)
    await commands.running.phase("Succeeded")


async def test_a_container_that_has_ended_is_not_found(commands: Commands) -> None:
    await go_on(commands)
    await commands.running.phase("Succeeded")
    async with commands.socket(PATH) as socket:
        outcome = (await heard(socket)).outcome
    why = 'unable to upgrade connection: container not found ("app")'
    assert outcome["message"] == f"Internal error occurred: {why}"


@pytest.mark.parametrize(
    ("token", "path", "code", "message"),
    [
        (None, PATH.replace("=app", "=nope"), 400, "container nope is not valid for pod p"),
        ("", PATH, 403, 'pods "p" is forbidden: User "system:anonymous" cannot get resource "pods/attach" in API '
         'group "" in the namespace "default"'),
    ],
)  # fmt: skip
async def test_who_cannot_attach_is_told_why(
    commands: Commands, token: str | None, path: str, code: int, message: str
) -> None:
    commands.token = commands.token if token is None else token
    with pytest.raises(InvalidStatus) as refused:
        async with commands.socket(path):
            pass
    response = refused.value.response
    assert (response.status_code, json.loads(response.body or b"")["message"]) == (code, message)


async def test_without_an_upgrade_there_is_nothing_to_attach(commands: Commands) -> None:
    answer = await commands.http("GET", PATH)
    assert (answer.status_code, answer.json()["message"]) == (400, "Upgrade request required")


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is neither on PATH nor in the virtual environment")
async def test_kubectl_attaches(commands: Commands, tmp_path: Path) -> None:
    server = {"server": f"https://{commands.host}", "certificate-authority": commands.bundle}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": server | {"proxy-url": commands.url}}],
        "users": [{"name": "u", "user": {"token": commands.token}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "default"}}],
        "current-context": "x",
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = {"HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "config")}
    await commands.running.pod("ticking", containers=[script(TICKS)])
    await commands.running.phase("Running", "ticking")
    process = await asyncio.create_subprocess_exec(
        str(KUBECTL), "attach", "ticking", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20) == b"tick\n"
    delete(commands.running.cluster, by_key("pods"), "default", "ticking", DeleteOptions())
    assert await asyncio.wait_for(process.wait(), 20) == 0
