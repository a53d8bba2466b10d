"""Results in Azure Blob Storage, for which Azurite stands: what one machine keeps there, another goes on with."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from azure.storage.blob import ContainerClient
from processes import end, free_port, inherited, running, until

from tests.conftest import CANARY, DEMO_FLEET, ROOT, Cloud
from tests.end_to_end.command import TOKEN, PrefectApi, Terminal

pytestmark = pytest.mark.many_machines
AZURITE = Path(os.environ.get("WORKLOAD_IDENTITY_CLIENTS", ROOT / ".state" / "clients")) / "azurite"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of every Azurite, as its documentation says."""
QUIET = ("--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck")
BLOCK = "azure-blob-results/workload-identity"


@dataclass
class Storage:
    """An Azurite with a container of results: signed in to by its key, or as the operator, which takes https."""

    bundle: Path
    by_key: bool
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{'http://127.0.0.1' if self.by_key else 'https://localhost'}:{self.port}/{ACCOUNT}/results"

    @property
    def connection_string(self) -> str:
        account = self.url.rpartition("/")[0]
        return f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={account};"

    def contents(self) -> dict[str, bytes]:
        """All blobs."""
        trust = {"connection_verify": str(self.bundle)}
        with ContainerClient.from_connection_string(self.connection_string, "results", **trust) as container:
            return {name: container.download_blob(name).readall() for name in container.list_blob_names()}

    def answers(self) -> bool:
        """Whether it is there, even to refuse."""
        try:
            return httpx.get(self.url, timeout=5, trust_env=False, verify=False).status_code > 0
        except httpx.HTTPError:
            return False


@pytest.fixture(params=["by its key", "as the operator"])
def storage(request: pytest.FixtureRequest, cloud: Cloud, tmp_path: Path) -> Iterator[Storage]:
    program = AZURITE / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    assert program.exists(), "there is no Azurite: make many-machines installs it"
    authority = cloud.simulator.simulation.authority
    storage, log = Storage(authority.bundle, request.param == "by its key"), tmp_path / "azurite.log"
    command = ["node", program, "--blobHost", "127.0.0.1", "--blobPort", str(storage.port), *QUIET]
    if not storage.by_key:
        for name, pem in zip(("cert", "key"), authority.issue("localhost", server=True), strict=True):
            (tmp_path / name).write_bytes(pem)
            command += [f"--{name}", tmp_path / name]
        command += ["--oauth", "basic"]
    with ExitStack() as ending:
        storage.process = ending.enter_context(running(command, log, inherited()))
        until(storage.answers, "Azurite", storage.process, log)
        yield storage


async def saved(terminal: Terminal, prefect: PrefectApi, url: str, connection_string: str | None) -> tuple[int, str]:
    """Exit code and last words of ``python -m deployments.results``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deployments.results", url),
        cwd=ROOT,
        env=terminal.variables({"PREFECT_API_URL": prefect.url, "AZURE_STORAGE_CONNECTION_STRING": connection_string}),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def machine(cloud: Cloud, home: Path, place: Path) -> Terminal:
    """One that has nothing of its own on disk but a place for results, which is to stay empty."""
    own = {"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": BLOCK, "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(place)}
    return Terminal(cloud, home, own)


async def test_what_one_machine_keeps_there_another_goes_on_with(
    storage: Storage, cloud: Cloud, home: Path, prefect: PrefectApi, tmp_path: Path
) -> None:
    one, other = (machine(cloud, home, tmp_path / name) for name in ("one", "other"))
    secret = storage.connection_string if storage.by_key else None
    assert await saved(Terminal(cloud, home), prefect, storage.url, secret) == (
        0,
        f"PREFECT_DEFAULT_RESULT_STORAGE_BLOCK={BLOCK}\n",
    )
    first = await one.run("reconcile", DEMO_FLEET)
    assert first.code == 0, first.text
    asked = len(cloud.journal.entries)
    second = await other.run("reconcile", DEMO_FLEET)
    assert second.code == 0, second.text
    assert "Nothing to change." in second.words
    assert not any(entry.path.endswith("/token") for entry in cloud.journal.entries[asked:] if "hcp" in entry.host), (
        "the first machine's proof is trusted"
    )
    kept = storage.contents()
    assert {"proofs-sysadminas-demo.json", "turn-sysadminas-demo.json"} <= kept.keys()
    assert len([name for name in kept if name.startswith("change-")]) == 14
    assert not any(CANARY.encode() in content or TOKEN.search(content) for content in kept.values())
    assert [path for name in ("one", "other") for path in (tmp_path / name).rglob("*")] == []
    blocks = await prefect.filtered("/block_documents/filter", include_secrets=False)
    assert KEY not in str(blocks)

    assert storage.process is not None
    end(storage.process)
    written = len(cloud.journal.writing())
    third = await one.run("reconcile", DEMO_FLEET)
    assert third.code == 1
    assert f"results cannot be kept in {storage.url}: " in third.words, third.text
    assert "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK for many machines" in third.words
    assert KEY not in third.text
    assert len(cloud.journal.writing()) == written


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("results", "results is no container: it looks like https://ACCOUNT.blob.core.windows.net/CONTAINER\n"),
        ("--help", "Makes the container and the block"),
    ],
)
async def test_what_is_no_container_is_refused(
    cloud: Cloud, home: Path, prefect: PrefectApi, url: str, said: str
) -> None:
    code, told = await saved(Terminal(cloud, home), prefect, url, "UseDevelopmentStorage=true")
    assert code == 1
    assert said in told
