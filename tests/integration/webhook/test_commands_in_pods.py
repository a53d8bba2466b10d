"""A command in a pod runs in its container's environment, with its streams and exit code at the client."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest
from commands import V4, V5, Commands, heard
from kubernetes import client as kubernetes_client
from kubernetes.stream import stream
from running_cluster import Running, script
from websockets.exceptions import InvalidMessage, InvalidStatus

from simulator.weather import CALM

Json = dict[str, Any]

WAIT = "import time; print('up', flush=True); time.sleep(60)"
MOUNT = "/etc/c"
CONTAINER = script(
    WAIT,
    env=[{"name": "GREETING", "value": "hello"}, {"name": "FILE", "value": f"{MOUNT}/file"}],
    volumeMounts=[{"name": "c", "mountPath": MOUNT}],
)
VOLUME = {"name": "c", "configMap": {"name": "c"}}


@pytest.fixture
async def commands(running: Running) -> AsyncIterator[Commands]:
    """The way to the pod ``p``, which runs, and to ``other``, whose image the simulator does not run."""
    commands = Commands(running)
    commands.url = f"http://127.0.0.1:{await commands.proxy.start()}"
    running.cluster.write("configmaps", {"metadata": {"name": "c", "namespace": "default"}, "data": {"file": "text"}})
    await running.pod(containers=[CONTAINER], volumes=[VOLUME])
    await running.phase("Running")
    yield commands
    await commands.proxy.stop()


@dataclass(frozen=True)
class Case:
    id: str
    command: tuple[str, ...]
    out: str = ""
    err: str = ""
    code: int = 0
    stdin: bytes | None = None


CASES = [
    Case("prints", ("echo", "hi", "there"), "hi there\n"),
    Case("environment", ("printenv", "GREETING"), "hello\n"),
    Case("file-of-a-variable", ("sh", "-c", "cat $FILE"), "text"),
    Case("file-of-a-mount", ("cat", f"{MOUNT}/file"), "text"),
    Case("directory", ("sh", "-c", "cat etc/c/file"), "text"),
    Case("python", ("python3", "-c", "import sys; print(sys.argv[1:])", "a b", ""), "['a b', '']\n"),
    Case("both-outputs", ("sh", "-c", "echo out; echo err >&2"), "out\n", "err\n"),
    Case("fails", ("sh", "-c", "exit 3"), code=3),
    Case("killed", ("sh", "-c", "kill -9 $$"), code=137),
    Case("reads", ("cat",), "some\ndata", stdin=b"some\ndata"),
    Case("reads-binary", ("wc", "-c"), "256\n", stdin=bytes(range(256))),
    Case("reads-not", ("true",), stdin=b"ignored"),
    Case("reads-nothing-without-stdin", ("cat",)),
    Case("leaves-a-child", ("sh", "-c", "sleep 60 & echo done"), "done\n"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_a_command_has_its_streams_and_its_exit_code(commands: Commands, case: Case) -> None:
    told = await commands.run(*case.command, stdin=case.stdin)
    assert (told.out.decode(), told.err.decode(), told.code) == (case.out, case.err, case.code)
    assert (told.channels[0], told.channels[-1], told.closed) == (1, 3, 1000)
    assert not commands.running.simulation.unknown


async def test_the_outcome_is_a_status(commands: Commands) -> None:
    assert (await commands.run("true")).outcome == {"metadata": {}, "status": "Success"}
    assert (await commands.run("sh", "-c", "exit 3")).outcome == {
        "metadata": {},
        "status": "Failure",
        "message": "command terminated with non-zero exit code: error executing command [sh -c exit 3], exit code 3",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
    }


async def test_a_lot_of_output_arrives_whole(commands: Commands) -> None:
    told = await commands.run("head", "-c", str(4 << 20), "/dev/zero")
    assert told.out == bytes(4 << 20)


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("nothing", 'exec: "nothing": executable file not found in $PATH: unknown'),
        ("/no/thing", 'exec: "/no/thing": stat /no/thing: no such file or directory: unknown'),
        (f"{MOUNT}/file", f'exec: "{MOUNT}/file": permission denied: unknown'),
        ("", 'exec: "": executable file not found in $PATH: unknown'),
        ("a\0b", 'exec: "a\\u0000b": invalid argument: unknown'),
    ],
)
async def test_a_program_that_is_not_there_is_an_internal_error(commands: Commands, program: str, says: str) -> None:
    outcome = (await commands.run(program)).outcome
    assert (outcome["reason"], outcome["code"]) == ("InternalError", 500)
    assert outcome["message"].endswith(f"unable to start container process: {says}")
    assert outcome["message"] == f"Internal error occurred: {outcome['details']['causes'][0]['message']}"


async def test_an_image_that_is_not_run_here_holds_no_program(commands: Commands) -> None:
    await commands.running.pod("other")
    await commands.running.phase("Running", "other")
    outcome = (await commands.run("sh", pod="other")).outcome
    assert 'exec: "sh": executable file not found in $PATH' in outcome["message"]


async def test_a_container_that_has_ended_is_not_found(commands: Commands) -> None:
    await commands.running.pod("over", containers=[script("pass")], restartPolicy="Never")
    await commands.running.phase("Succeeded", "over")
    outcome = (await commands.run("true", pod="over")).outcome
    assert outcome["message"] == ('Internal error occurred: unable to upgrade connection: container not found ("app")')


async def test_the_version_that_cannot_close_its_input_is_spoken_too(commands: Commands) -> None:
    told = await commands.run("head", "-n", "1", stdin=b"line\nmore", protocol=V4)
    assert (told.out, told.code) == (b"line\n", 0)


async def test_the_better_version_is_chosen(commands: Commands) -> None:
    async with commands.socket(commands.path(["true"]), V4, V5) as socket:
        assert socket.subprotocol == V5


async def test_a_terminal_is_one_and_has_the_size_that_the_client_tells(commands: Commands) -> None:
    ask = "read line; test -t 0 && test -t 1 && stty size; echo err >&2; echo $TERM"
    path = commands.path(["sh", "-c", ask], stdin=True, tty=True)
    async with commands.socket(path) as socket:
        await socket.send(b'\x04{"Width":81,"Height":24}\n')
        await socket.send(b"\x04nonsense")
        await socket.send(b"\x00go\n")
        told = await heard(socket)
    assert told.out.decode().splitlines() == ["go", "24 81", "err", "xterm"]
    assert (told.err, told.code) == (b"", 0)


async def test_an_interrupt_typed_at_a_terminal_arrives(commands: Commands) -> None:
    async with commands.socket(commands.path(["sh", "-c", "echo up; exec sleep 60"], stdin=True, tty=True)) as socket:
        await until(socket, b"up")
        await socket.send(b"\x00\x03")
        assert (await heard(socket)).code == 130


async def until(socket: Any, text: bytes) -> None:
    """Receive until the text was printed."""
    while text not in (await socket.recv())[1:]:
        pass


def processes(marker: str) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.is_running() and marker in " ".join(child.cmdline())]


async def gone(marker: str) -> None:
    """Wait until no process has the marker on its command line."""
    for _ in range(250):
        if not processes(marker):
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"still running: {processes(marker)}")


@pytest.mark.parametrize("stdin", [b"", b"x" * (1 << 20)], ids=["quiet", "with-input-that-nobody-reads"])
@pytest.mark.parametrize("politely", [True, False], ids=["closes", "dies"])
async def test_a_command_ends_when_its_client_does(commands: Commands, stdin: bytes, politely: bool) -> None:
    command = ["sh", "-c", "echo up; sleep 61.5 & sleep 61.5"]
    async with commands.socket(commands.path(command, stdin=True)) as socket:
        await until(socket, b"up")
        assert processes("sleep 61.5")
        await socket.send(b"\x00" + stdin)
        if not politely:
            socket.transport.abort()
    await gone("sleep 61.5")


async def test_a_command_ends_with_its_container(commands: Commands) -> None:
    async with commands.socket(commands.path(["sh", "-c", "echo up; sleep 62.5"])) as socket:
        await until(socket, b"up")
        (container,) = [process for process in processes(WAIT) if process.cmdline()[0] == sys.executable]
        container.kill()
        assert (await heard(socket)).outcome["reason"] == "NonZeroExitCode"
    await gone("sleep 62.5")


async def test_several_commands_run_in_a_container_at_once(commands: Commands) -> None:
    told = await asyncio.gather(*(commands.run("echo", str(number)) for number in range(8)))
    assert [one.out for one in told] == [f"{number}\n".encode() for number in range(8)]


REFUSALS: list[tuple[str, str, Json, int, str]] = [
    ("no-upgrade", "p/exec?command=true&container=app", {}, 400, "Upgrade request required"),
    ("absent-pod", "none/exec?command=true", {}, 404, 'pods "none" not found'),
    ("several", "two/exec?command=x", {}, 400, "a container name must be specified for pod two, choose one of: [a b]"),
    ("no-such", "two/exec?command=x&container=nope", {}, 400, "container nope is not valid for pod two"),
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal[0])
async def test_a_refusal_is_the_same_for_every_kind_of_client(commands: Commands, refusal: Any, method: str) -> None:
    _, path, _, code, message = refusal
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    await commands.running.pod("two", containers=containers)
    path = f"/api/v1/namespaces/default/pods/{path}"
    upgrade = {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"}
    told = [await commands.http(method, path)]
    if refusal[0] != "no-upgrade":
        told.append(await commands.http(method, path, upgrade))
    for answer in told:
        assert (answer.status_code, answer.json()["message"], answer.json()["kind"]) == (code, message, "Status")
    if refusal[0] != "no-upgrade":
        with pytest.raises(InvalidStatus) as refused:
            async with commands.socket(path):
                pass
        response = refused.value.response
        assert (response.status_code, json.loads(response.body or b"")["message"]) == (code, message)


async def test_a_pod_that_is_not_on_a_node_has_no_commands(commands: Commands) -> None:
    cluster = commands.running.cluster
    await cluster.stop()
    await commands.running.pod("waiting")
    answer = await commands.http("GET", "/api/v1/namespaces/default/pods/waiting/exec?command=true")
    assert (answer.status_code, answer.json()["message"]) == (400, "pod waiting does not have a host assigned")


async def test_the_older_protocol_is_loudly_unknown(commands: Commands) -> None:
    path = commands.path(["true"])
    answer = await commands.http("POST", path, {"Upgrade": "SPDY/3.1", "Connection": "Upgrade"})
    assert answer.status_code == 501
    assert commands.running.simulation.unknown == [f"POST {commands.host}{path.partition('?')[0]}"]


@pytest.mark.parametrize(
    ("token", "code", "message"),
    [
        ("", 403, 'pods "p" is forbidden: User "system:anonymous" cannot get resource "pods/exec" in API group "" in '
         'the namespace "default"'),
        ("wrong", 401, "Unauthorized"),
    ],
)  # fmt: skip
async def test_a_command_needs_the_right_to_it(commands: Commands, token: str, code: int, message: str) -> None:
    commands.token = token
    with pytest.raises(InvalidStatus) as refused:
        await commands.run("true")
    response = refused.value.response
    assert (response.status_code, json.loads(response.body or b"")["message"]) == (code, message)


async def test_an_unknown_subprotocol_is_refused(commands: Commands) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with commands.socket(commands.path(["true"]), "v6.channel.k8s.io"):
            pass
    assert refused.value.response.status_code == 400


async def test_no_stream_at_all_is_refused(commands: Commands) -> None:
    outcome = (await commands.run("true", stdout=False, stderr=False)).outcome
    assert outcome["message"].endswith("you must specify at least 1 of stdin, stdout, stderr")


async def test_the_python_client_runs_commands(commands: Commands) -> None:
    configuration = kubernetes_client.Configuration()
    configuration.host = f"https://{commands.host}"
    configuration.proxy = commands.url
    configuration.no_proxy = None
    configuration.ssl_ca_cert = commands.bundle
    configuration.api_key = {"authorization": f"Bearer {commands.token}"}

    def run(**options: Any) -> Any:
        core = kubernetes_client.CoreV1Api(kubernetes_client.ApiClient(configuration))
        return stream(core.connect_get_namespaced_pod_exec, "p", "default", stdout=True, stderr=True, **options)

    def converse() -> tuple[str, int | None]:
        socket = run(command=["sh", "-c", "read line; echo got $line; exit 5"], stdin=True, _preload_content=False)
        socket.write_stdin("this\n")
        socket.run_forever(timeout=20)
        return socket.read_stdout(), socket.returncode

    assert await asyncio.to_thread(run, command=["printenv", "GREETING"]) == "hello\n"
    assert await asyncio.to_thread(converse) == ("got this\n", 5)


async def test_a_command_is_noted_in_the_journal_as_an_upgrade(commands: Commands) -> None:
    await commands.run("true")
    (entry,) = commands.running.simulation.journal.entries
    assert (entry.method, entry.status, entry.path) == ("GET", 101, "/api/v1/namespaces/default/pods/p/exec")


async def test_a_handshake_that_no_service_takes_up_is_a_request_like_any_other(commands: Commands) -> None:
    commands.host = "graph.microsoft.com"
    with pytest.raises(InvalidStatus) as refused:
        async with commands.socket("/v1.0/nothing"):
            pass
    assert refused.value.response.status_code == 501
    assert commands.running.simulation.unknown == ["GET graph.microsoft.com/v1.0/nothing"]


@pytest.mark.parametrize("dials", [{"busy": 1.0}, {"resets": 1.0, "carried_out": 1.0}], ids=["busy", "reset"])
async def test_the_weather_befalls_handshakes_and_starts_no_command(commands: Commands, dials: Json) -> None:
    commands.running.simulation.weather.dials = replace(CALM, **dials)
    with pytest.raises((InvalidStatus, InvalidMessage)) as refused:
        await commands.run("sleep", "63.5")
    if isinstance(refused.value, InvalidStatus):
        assert refused.value.response.status_code == 429
    assert not processes("sleep 63.5")
