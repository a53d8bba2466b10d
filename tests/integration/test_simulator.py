"""The simulator as a program: state across runs, added clusters, a journal without secrets, a port on loopback only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from fleet.spec import Fleet
from simulator.azure import start
from simulator.breakage.catalogue import LINKS
from simulator.server import Simulator
from tests.conftest import CANARY, DEMO_CLOUD, ROOT, Cloud, running_cloud


def simulate(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simulator", "--directory", str(directory), "--weather", "calm", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_command_runs_inside_with_the_proxy_the_authority_and_the_operator_in_its_environment(
    tmp_path: Path,
) -> None:
    told = simulate(tmp_path, "--", sys.executable, "-c", "import os, json; print(json.dumps(dict(os.environ)))")
    assert told.returncode == 0, told.stderr
    environment = json.loads(told.stdout)
    assert environment["HTTPS_PROXY"].startswith("http://127.0.0.1:")
    assert environment["SSL_CERT_FILE"] == environment["REQUESTS_CA_BUNDLE"] == str(tmp_path / "ca.pem")
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_SUBSCRIPTION_ID"):
        assert environment[name]
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_commands_exit_code_is_the_simulators(tmp_path: Path) -> None:
    assert simulate(tmp_path, "--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--weather", "hail"), "calm, normal, storm, or a file"),
        (("--cloud", "/no/such/file"), "No such file"),
        (("--cluster", "nonsense"), "RESOURCE_GROUP/NAME"),
        (("--", "/no/such/command"), "No such file"),
        (("--snapshot", str(DEMO_CLOUD), "--", "true"), "not a snapshot of a simulated cloud"),
        (("--issuer-ca", str(DEMO_CLOUD), "--", "true"), "no certificate"),
        (("--issuer-ca", "/no/such/file", "--", "true"), "No such file"),
        (("restore", "/no/such/file"), "No such file"),
        (("nonsense",), "No such command"),
    ],
    ids=["weather", "cloud", "cluster", "command", "snapshot", "authority", "no-authority", "restore", "subcommand"],
)
def test_a_wrong_argument_is_told_without_a_traceback(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    told = simulate(tmp_path, *arguments)
    assert told.returncode != 0
    assert says in told.stderr + told.stdout
    assert "Traceback" not in told.stderr


def test_the_ledger_is_one_page_with_a_source_for_every_rule_and_totals(tmp_path: Path) -> None:
    told = simulate(tmp_path, "--ledger")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    for area in ("arm", "entra", "graph", "key vault", "kubernetes", "weather", "webhook"):
        assert any(line.startswith(f"{area} ") for line in lines), area
    assert "\x1b" not in told.stdout
    assert "In doubt: the sources are silent or disagree" in lines
    total, counted = lines[-1].partition("; ")[0].split(" rules: ")
    assert int(total) == sum(int(part.split()[0]) for part in counted.split(", ")) > 300


def test_what_a_kept_simulator_holds_is_shown_by_names(tmp_path: Path) -> None:
    assert "start one with --keep" in simulate(tmp_path, "show").stderr
    try:
        simulate(tmp_path, "--keep")
        told = simulate(tmp_path, "show")
        assert told.returncode == 0, told.stderr
        for name in ("Visual Studio Premium with MSDN", "sysadminas", "vaults", "role assignments"):
            assert name in told.stdout
    finally:
        simulate(tmp_path, "stop")


INSIDE = (sys.executable, "-m", "simulator")


def test_a_command_inside_asks_the_simulator_that_it_runs_in(tmp_path: Path) -> None:
    told = simulate(tmp_path, "--", *INSIDE, "--directory", str(tmp_path / "elsewhere"), "show")
    assert told.returncode == 0, told.stderr
    assert "sysadminas" in told.stdout


def test_a_running_simulator_becomes_again_what_its_snapshot_says(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    client = httpx.Client(trust_env=False)
    try:
        simulate(tmp_path, "--keep")
        proxy = json.loads((tmp_path / "running.json").read_text(encoding="utf-8"))["proxy"]
        assert simulate(tmp_path, "snapshot", str(kept)).returncode == 0
        assert kept.stat().st_mode & 0o077 == 0, "it holds secrets"
        before = client.get(f"{proxy}/holdings").json()
        emptied = json.loads(kept.read_text(encoding="utf-8"))
        emptied["azure"]["role_assignments"], emptied["clusters"] = {}, {}
        (tmp_path / "emptied.json").write_text(json.dumps(emptied), encoding="utf-8")
        assert simulate(tmp_path, "restore", str(tmp_path / "emptied.json")).returncode == 0
        assert client.get(f"{proxy}/holdings").json()["clusters"] == {}
        assert simulate(tmp_path, "restore", str(kept)).returncode == 0
        assert client.get(f"{proxy}/holdings").json() == before
    finally:
        client.close()
        simulate(tmp_path, "stop")


@pytest.mark.parametrize(("method", "path"), [("GET", "/snapshot"), ("POST", "/restore"), ("POST", "/break")])
async def test_who_was_not_told_the_key_sees_and_changes_nothing(cloud: Cloud, method: str, path: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.request(method, f"{cloud.simulator.simulation.proxy_url}{path}", json={})
    assert answer.status_code == 401
    assert CANARY not in answer.text


def test_the_faults_are_listed_by_the_links_of_the_chain(tmp_path: Path) -> None:
    told = simulate(tmp_path, "break")
    assert told.returncode == 0, told.stderr
    links = [line.split("  ")[0].strip() for line in told.stdout.splitlines() if line[:1].strip()]
    assert list(dict.fromkeys(links))[1:] == list(LINKS)


def test_a_fault_is_injected_from_a_shell_inside_and_told(tmp_path: Path) -> None:
    told = simulate(tmp_path, "--", *INSIDE, "break", "issuer-slash")
    assert told.returncode == 1
    assert "no ServiceAccount has a client id: set one up first" in told.stderr


@pytest.mark.parametrize("content", ["{}", "[1]", "not JSON", '{"azure": 7, "clusters": {}}'])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content, encoding="utf-8")
    inside = (*INSIDE, "restore", str(tmp_path / "kept.json"))
    told = simulate(tmp_path, "--", *inside)
    assert told.returncode == 1
    assert "snapshot of a simulated cloud" in told.stderr
    assert "Traceback" not in told.stderr


async def test_the_inventory_names_the_chain_and_no_secret(cloud: Cloud, fleet: Fleet) -> None:
    await cloud.apply(fleet)
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"{cloud.simulator.simulation.proxy_url}/holdings")).text
    inventory = json.loads(text)
    assert inventory["vaults"]["sysadminas-demo-kv"]["secrets"] == ["sysadminas-demo-kv-secret"]
    (accounts,) = inventory["clusters"]["sysadminas"]["namespaces, their ServiceAccounts"]["sysadminas-demo"]
    assert accounts.startswith("sysadminas-demo-sa as ")
    assert "system:serviceaccount:sysadminas-demo:sysadminas-demo-sa" in text
    assert CANARY not in text
    assert os.environ["AZURE_CLIENT_SECRET"] not in text


async def test_a_cluster_can_be_added_to_what_exists_at_the_start(tmp_path: Path) -> None:
    beginning = start.load(DEMO_CLOUD.read_text(encoding="utf-8"), clusters=("more/second",))
    simulator = await Simulator.serve(directory=tmp_path, beginning=beginning)
    names = {cluster.state.name for cluster in simulator.simulation.clusters.values()}
    await simulator.stop()
    assert names == {"sysadminas", "second"}


async def test_a_snapshot_holds_the_whole_world(tmp_path: Path, fleet: Fleet) -> None:
    snapshot = tmp_path / "world.json"
    async with running_cloud(tmp_path / "one") as cloud:
        await cloud.apply(fleet)
        await cloud.simulator.stop(snapshot)
    async with running_cloud(tmp_path / "two", snapshot=snapshot) as cloud:
        assert (await cloud.plan(fleet)).is_empty


async def test_the_journal_tells_every_request_and_no_secret(cloud: Cloud, fleet: Fleet, tmp_path: Path) -> None:
    await cloud.apply(fleet)
    lines = (tmp_path / "simulator" / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(cloud.journal.entries) + len(cloud.journal.steps) > 50
    text = "\n".join(lines)
    assert CANARY not in text
    assert "eyJ" not in text
    assert os.environ["AZURE_CLIENT_SECRET"] not in text


async def test_the_simulator_counts_for_whoever_asks_at_its_port(cloud: Cloud, fleet: Fleet) -> None:
    await cloud.apply(fleet)
    async with httpx.AsyncClient(trust_env=False) as http:
        counted = (await http.get(f"{cloud.simulator.simulation.proxy_url}/requests?since=5")).json()
    assert counted["total"] == len(cloud.journal.entries)
    assert len(counted["requests"]) == counted["total"] - 5
    assert counted["writes"] > 10


@pytest.mark.parametrize("host", ["example.com", "real-vault.vault.azure.net", "login.microsoftonline.us"])
async def test_no_host_is_reached_that_is_not_simulated(cloud: Cloud, host: str) -> None:
    with pytest.raises(httpx.ProxyError, match="502"):
        await cloud.http.get(f"https://{host}/")


@pytest.mark.parametrize(
    ("method", "url", "content"),
    [
        ("GET", f"https://graph.microsoft.com/v1.0/applications/{'x' * 50_000}", b""),
        ("GET", "https://management.azure.com/subscriptions/%FF%00?api-version=2022-12-01", b""),
        ("POST", "https://graph.microsoft.com/v1.0/applications", b"[" * 100_000),
        ("POST", "https://login.microsoftonline.com/common/oauth2/v2.0/token", b"\xff" * 100_000),
    ],
    ids=["long path", "no text", "deep", "no form"],
)
async def test_nonsense_is_answered_and_the_line_stays_open(
    cloud: Cloud, method: str, url: str, content: bytes
) -> None:
    host = f"https://{httpx.URL(url).host}"
    headers = {"Content-Type": "application/json"}
    if "login" not in host:
        headers["Authorization"] = f"Bearer {await cloud.sign_in(host)}"
    answer = await cloud.http.request(method, url, content=content, headers=headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]
    assert (await cloud.http.get("https://login.microsoftonline.com/common/discovery/instance")).status_code == 200


async def test_the_authority_cannot_vouch_for_other_names(cloud: Cloud) -> None:
    from cryptography import x509

    constraints = cloud.simulator.simulation.authority.certificate.extensions.get_extension_for_class(
        x509.NameConstraints
    )
    assert constraints.critical
    assert "com" not in [name.value for name in constraints.value.permitted_subtrees or ()]


async def test_what_no_route_serves_is_a_loud_501(cloud: Cloud) -> None:
    answer = await cloud.http.get("https://graph.microsoft.com/v1.0/users/nobody/messages")
    assert answer.status_code == 501
    assert cloud.unheard_of() == ["GET graph.microsoft.com/v1.0/users/nobody/messages"]
