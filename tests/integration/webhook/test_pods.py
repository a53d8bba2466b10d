"""Pods of known images are processes, with the environment, files, log and end that a container has."""

from __future__ import annotations

import asyncio
import base64
import json
import stat
from pathlib import Path
from typing import Any

import psutil
import pytest
from running_cluster import Running, script
from starlette.datastructures import QueryParams

from simulator.kubernetes import logs
from simulator.kubernetes.cluster import Cluster
from simulator.kubernetes.deletion import DeleteOptions, delete
from simulator.kubernetes.pod_processes import command_for, command_of
from simulator.kubernetes.resources import by_key
from simulator.routing import Refusal

Json = dict[str, Any]

AUDIENCE = "api://AzureADTokenExchange"
MOUNT = "/var/run/secrets/azure/wi"
PROJECTED = {
    "name": "wi",
    "projected": {
        "sources": [{"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "token/azure"}}]
    },
}
WITH_TOKEN: Json = {
    "env": [{"name": "AZURE_FEDERATED_TOKEN_FILE", "value": f"{MOUNT}/token/azure"}],
    "volumeMounts": [{"name": "wi", "mountPath": MOUNT}],
}
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
WAIT = "import time; print('up', flush=True); time.sleep(60)"


def claims(token: str) -> Json:
    body = token.split(".")[1]
    decoded: Json = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


async def printed(running: Running, text: str) -> str:
    """The log, as soon as it has ``text``; containers print without changing the cluster, so this looks by itself."""
    for _ in range(200):
        if text in (log := running.log()):
            return log
        await asyncio.sleep(0.02)
    pytest.fail(f"never printed {text}: {running.log()}")


def processes(code: str) -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if child.is_running() and code in child.cmdline()]


async def test_other_images_are_declared_ready(running: Running) -> None:
    await running.pod()
    pod = await running.phase("Running")
    status = pod["status"]
    assert {item["type"]: item["status"] for item in status["conditions"]} == dict.fromkeys(
        ("PodScheduled", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"), "True"
    )
    (container,) = status["containerStatuses"]
    assert (container["name"], container["ready"], container["restartCount"]) == ("app", True, 0)
    assert pod["spec"]["nodeName"] == running.cluster.list("nodes")[0]["metadata"]["name"]
    assert running.log() == ""


async def test_the_process_gets_the_containers_environment_and_the_way_into_the_simulator(running: Running) -> None:
    running.cluster.write("secrets", {"metadata": {"name": "s", "namespace": "default"}, "data": {"k": "dmFsdWU="}})
    running.cluster.write("configmaps", {"metadata": {"name": "c", "namespace": "default"}, "data": {"FROM_MAP": "m"}})
    env = [
        {"name": "PLAIN", "value": "x"},
        {"name": "EXPANDED", "value": "$(PLAIN)y $(UNKNOWN) $$(PLAIN)"},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "s", "key": "none", "optional": True}}},
    ]
    container = script(PRINT_ENVIRONMENT, env=env, envFrom=[{"configMapRef": {"name": "c"}}])
    await running.pod(containers=[container], restartPolicy="Never")
    await running.phase("Succeeded")
    environment = json.loads(running.log())
    environment.pop("LC_CTYPE", None)  # Python's own doing
    bundle = str(running.simulation.authority.bundle)
    assert environment.pop("PATH")
    assert environment == {
        "PLAIN": "x",
        "EXPANDED": "xy $(UNKNOWN) $(PLAIN)",
        "NAMESPACE": "default",
        "SECRET": "value",
        "FROM_MAP": "m",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
    }


async def test_the_projected_token_is_a_real_one_bound_to_the_pod(running: Running) -> None:
    code = "import os; print(open(os.environ['AZURE_FEDERATED_TOKEN_FILE']).read())"
    pod = await running.pod(containers=[script(code, **WITH_TOKEN)], volumes=[PROJECTED], restartPolicy="Never")
    await running.phase("Succeeded")
    payload = claims(running.log().strip())
    assert payload["aud"] == [AUDIENCE]
    assert payload["exp"] - payload["iat"] == 3600
    assert (payload["iss"], payload["sub"]) == ("https://issuer/", "system:serviceaccount:default:default")
    assert payload["kubernetes.io"]["pod"] == {"name": "p", "uid": pod["metadata"]["uid"]}
    assert payload["kubernetes.io"]["node"]["name"] == running.cluster.list("nodes")[0]["metadata"]["name"]


async def test_token_files_are_for_their_owner_only(running: Running) -> None:
    await running.pod(containers=[script(WAIT, **WITH_TOKEN)], volumes=[PROJECTED])
    await running.phase("Running")
    (token,) = running.simulation.directory.rglob("volumes/wi/token/azure")
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    private = [token.parent, *token.parents[1:5]]
    assert {stat.S_IMODE(directory.stat().st_mode) for directory in private} == {0o700}


async def test_the_token_is_renewed_at_four_fifths_of_its_life(running: Running) -> None:
    await running.pod(containers=[script(WAIT, **WITH_TOKEN)], volumes=[PROJECTED])
    await running.phase("Running")
    (path,) = running.simulation.directory.rglob("volumes/wi/token/azure")
    first = path.read_text()
    await touch(running, seconds=2870)
    assert path.read_text() == first
    await touch(running, seconds=20)
    assert claims(path.read_text())["iat"] >= claims(first)["iat"] + 2880


async def touch(running: Running, *, seconds: float) -> None:
    """Let time pass, and let the node look at its pods."""
    running.cluster.clock.step(seconds)
    running.cluster.write("configmaps", {"metadata": {"name": f"at-{seconds:.0f}", "namespace": "default"}, "data": {}})
    await running.pod(f"after-{seconds:.0f}")
    await running.phase("Running", f"after-{seconds:.0f}")


async def test_volumes_are_where_their_mounts_say(running: Running) -> None:
    running.cluster.write(
        "configmaps", {"metadata": {"name": "c", "namespace": "default"}, "data": {"a": "1", "b": "2"}}
    )
    read = "import os; root = os.environ['ROOT']; print([(d, sorted(f)) for d, _, f in os.walk(root)][0][1], end='')"
    write = "; open(os.environ['SCRATCH'] + '/new', 'w').write('x')"
    container = script(
        read + write,
        env=[{"name": "ROOT", "value": "/etc/c"}, {"name": "SCRATCH", "value": "/scratch"}],
        volumeMounts=[{"name": "c", "mountPath": "/etc/c"}, {"name": "e", "mountPath": "/scratch"}],
    )
    chosen = {"name": "c", "configMap": {"name": "c", "items": [{"key": "a", "path": "chosen"}]}}
    await running.pod(containers=[container], volumes=[chosen, {"name": "e", "emptyDir": {}}], restartPolicy="Never")
    await running.phase("Succeeded")
    assert running.log() == "['chosen']"


async def test_no_mount_leaves_the_pods_directory(running: Running) -> None:
    mounts = [{"name": "e", "mountPath": "/../../../../escaped"}]
    await running.pod(containers=[script(WAIT, volumeMounts=mounts)], volumes=[{"name": "e", "emptyDir": {}}])
    pod = await running.phase("Running")
    (link,) = running.simulation.directory.rglob("escaped")
    assert link.is_relative_to(running.simulation.directory / "pods" / "demo" / pod["metadata"]["uid"])


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
async def test_a_container_that_is_not_restarted_ends_its_pod(running: Running, code: int, phase: str) -> None:
    await running.pod(containers=[script(f"raise SystemExit({code})")], restartPolicy="Never")
    pod = await running.phase(phase)
    terminated = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (terminated["exitCode"], terminated["reason"]) == (code, "Error" if code else "Completed")


@pytest.mark.parametrize(("code", "policy"), [(1, "Always"), (0, "Always"), (1, "OnFailure")])
async def test_a_pod_whose_container_is_restarted_never_counts_as_ended(
    running: Running, code: int, policy: str
) -> None:
    changes = running.cluster.subscribe()
    await running.pod(containers=[script(f"raise SystemExit({code})")], restartPolicy=policy)

    def restarted() -> bool:
        (status,) = (running.cluster.get("pods", "p", "default") or {}).get("status", {}).get("containerStatuses") or [
            {}
        ]
        return status.get("restartCount", 0) >= 2

    await running.until(restarted, "two restarts")
    seen = [changes.get_nowait() for _ in range(changes.qsize())]
    phases = {obj.get("status", {}).get("phase") for _, resource, obj in seen if resource == "pods"}
    assert not phases & {"Failed", "Succeeded"}


async def test_a_container_that_keeps_ending_is_restarted_with_back_off(running: Running) -> None:
    await running.pod(containers=[script("print('failed on purpose'); raise SystemExit(1)")])

    def backing_off() -> Json | None:
        pod = running.cluster.get("pods", "p", "default")
        (status,) = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
        waiting = status.get("state", {}).get("waiting", {})
        again = waiting.get("reason") == "CrashLoopBackOff" and status["restartCount"] >= 2
        return status if again else None

    status = await running.until(backing_off, "CrashLoopBackOff")
    assert status["state"]["waiting"]["message"].startswith(
        "back-off 10s restarting failed container=app pod=p_default("
    )
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert running.log() == "failed on purpose\n"


async def test_the_log_before_a_restart_is_kept(running: Running) -> None:
    count = "import os, pathlib; file = pathlib.Path(os.environ['E']) / 'n'; file.open('a').write('.')"
    tell = "; n = len(file.read_text()); print('life', n, flush=True); n > 1 and __import__('time').sleep(60)"
    volume = {"volumeMounts": [{"name": "e", "mountPath": "/e"}], "env": [{"name": "E", "value": "/e"}]}
    await running.pod(containers=[script(count + tell, **volume)], volumes=[{"name": "e", "emptyDir": {}}])
    first = await running.phase("Running")
    first["status"]["containerStatuses"][0]["lastState"] = {}
    with pytest.raises(Refusal) as refused:
        logs.answer(running.cluster, first, QueryParams("previous=true"))
    assert refused.value.message == 'previous terminated container "app" in pod "p" not found'
    await printed(running, "life 2")
    pod = running.cluster.get("pods", "p", "default") or {}
    assert logs.answer(running.cluster, pod, QueryParams("previous=true")).body == b"life 1\n"
    assert logs.answer(running.cluster, pod, QueryParams("")).body == b"life 2\n"


async def test_init_containers_come_first_and_in_order(running: Running) -> None:
    volume = {"volumeMounts": [{"name": "e", "mountPath": "/e"}], "env": [{"name": "FILE", "value": "/e/file"}]}
    append = "import os; open(os.environ['FILE'], 'a').write('{} ')"
    init = [script(append.format(name), **volume) | {"name": name} for name in ("one", "two")]
    show = script("import os; print(open(os.environ['FILE']).read())", **volume)
    await running.pod(
        initContainers=init, containers=[show], volumes=[{"name": "e", "emptyDir": {}}], restartPolicy="Never"
    )
    await running.phase("Succeeded")
    assert running.log().strip() == "one two"


async def test_a_container_waits_for_the_secret_that_it_refers_to(running: Running) -> None:
    env = [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "late", "key": "k"}}}]
    await running.pod(containers=[script("import os; print(os.environ['S'])", env=env)], restartPolicy="Never")
    (event,) = await running.until(lambda: running.events("Failed"), "an event")
    assert event["message"] == 'Error: secret "late" not found'
    pod = running.cluster.get("pods", "p", "default")
    assert pod
    assert pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    running.cluster.write("secrets", {"metadata": {"name": "late", "namespace": "default"}, "data": {"k": "dmFsdWU="}})
    await running.phase("Succeeded")
    assert running.log() == "value\n"


async def test_a_pod_waits_for_the_volume_that_it_mounts(running: Running) -> None:
    volume = {"name": "c", "configMap": {"name": "late"}}
    await running.pod(volumes=[volume])
    (event,) = await running.until(lambda: running.events("FailedMount"), "an event")
    assert event["message"] == 'MountVolume.SetUp failed: configmap "late" not found'
    running.cluster.write("configmaps", {"metadata": {"name": "late", "namespace": "default"}, "data": {}})
    await running.phase("Running")


async def test_a_deleted_pod_is_asked_to_end_and_leaves_nothing_behind(running: Running) -> None:
    await running.pod(containers=[script(WAIT)])
    pod = await running.phase("Running")
    await printed(running, "up")
    assert processes(WAIT)
    delete(running.cluster, by_key("pods"), "default", "p", DeleteOptions())
    await running.until(lambda: running.cluster.get("pods", "p", "default") is None, "gone")
    assert not processes(WAIT)
    assert not list(running.simulation.directory.rglob(pod["metadata"]["uid"]))


async def test_a_process_that_does_not_listen_is_killed(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.kubernetes.pod_processes.GRACE_SECONDS", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    await running.pod(containers=[script(deaf)])
    await printed(running, "up")
    delete(running.cluster, by_key("pods"), "default", "p", DeleteOptions())
    await running.until(lambda: running.cluster.get("pods", "p", "default") is None, "gone")
    assert not processes(deaf)


async def test_a_pod_that_is_changed_while_it_ends_stays_until_its_process_has_ended(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.kubernetes.pod_processes.GRACE_SECONDS", 0.1)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    await running.pod(containers=[script(deaf)])
    await printed(running, "on")
    delete(running.cluster, by_key("pods"), "default", "p", DeleteOptions())
    leaving = running.cluster.get("pods", "p", "default")
    assert leaving is not None
    labels = {**leaving["metadata"].get("labels", {}), "changed": "meanwhile"}
    running.cluster.write("pods", {**leaving, "metadata": {**leaving["metadata"], "labels": labels}})
    await running.until(lambda: running.cluster.get("pods", "p", "default") is None, "gone")
    assert not processes(deaf)


async def test_with_the_cluster_end_its_processes_and_files(running: Running) -> None:
    await running.pod(containers=[script(WAIT)])
    await printed(running, "up")
    await running.cluster.stop()
    assert not processes(WAIT)
    assert not (running.simulation.directory / "pods" / "demo").exists()


async def test_a_restored_cluster_starts_its_pods_again(running: Running) -> None:
    await running.pod(containers=[script(WAIT)])
    await printed(running, "up")
    await running.cluster.stop()
    again = Running(Cluster(running.cluster.state, running.cluster.clock), running.simulation)
    await again.start()
    try:
        await printed(again, "up")
        pod = await again.phase("Running")
        assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    finally:
        await again.cluster.stop()


@pytest.mark.parametrize(
    ("image", "known"),
    [
        ("workload-identity-demo", True),
        ("workload-identity-demo:1.0", True),
        ("registry.example:5000/team/workload-identity-demo@sha256:0", True),
        ("workload-identity-demo-2:1.0", False),
        ("nginx", False),
    ],
)
def test_images_are_known_by_their_repository(image: str, known: bool) -> None:
    assert (command_for(image) is not None) == known


def test_without_a_command_of_its_own_a_container_runs_its_images() -> None:
    container = {"image": "workload-identity-demo", "args": ["--once"]}
    command = command_of(container)
    assert command
    assert Path(command[1]).is_file()
    assert command[2:] == ["--once"]
    assert command_of(container | {"command": ["/bin/app"]}) == command
    assert command_of(container | {"command": ["sh", "-c", "true"]}) == ["sh", "-c", "true", "--once"]
