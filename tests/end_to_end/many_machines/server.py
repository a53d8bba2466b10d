"""Prefect's server as many machines need it: PostgreSQL, Redis, the API, and its services apart from it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx
import yaml
from processes import end, free_port, inherited, kill, running, until

from tests.conftest import ROOT

PREFECT = (sys.executable, "-m", "prefect")


@dataclass
class Server:
    """One that can be killed and started again, at the same address."""

    environment: Mapping[str, str]
    port: int
    logs: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _ending: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        """Of the API."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """The API, which makes the database's tables, then the services."""
        api = (*PREFECT, "server", "start", "--no-services", "--host", "127.0.0.1", "--port", str(self.port))
        for name, command in (("api", api), ("services", (*PREFECT, "server", "services", "start"))):
            log = self.logs / f"{name}.log"
            self.processes.append(self._ending.enter_context(running(command, log, self.environment)))
            if name == "api":
                until(self.answers, "Prefect's API", self.processes[-1], log)

    def kill(self) -> None:
        """As a machine that loses its power."""
        for process in self.processes:
            kill(process)
        self.processes.clear()

    def stop(self) -> None:
        """End what runs."""
        for process in self.processes:
            end(process)
        self._ending.close()

    def answers(self) -> bool:
        """Whether the API is there."""
        try:
            return httpx.get(f"{self.url}/health", timeout=5, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def serving(logs: Path) -> Iterator[Server]:
    """A server on PostgreSQL and Redis, until the end of the block."""
    with _postgres(logs) as database, _redis(logs) as redis:
        environment = {
            **inherited(),
            **_settings(),
            "PREFECT_HOME": str(logs / "server"),
            "PREFECT_API_DATABASE_CONNECTION_URL": database,
            "PREFECT_REDIS_MESSAGING_URL": redis,
            "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": redis,
            "PREFECT_SERVER_DOCKET_URL": redis,
            "DO_NOT_TRACK": "1",
        }
        server = Server(environment, free_port(), logs)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _settings() -> Mapping[str, str]:
    """What the manifests of a cluster say of the server's parts."""
    manifests = yaml.safe_load_all((ROOT / "deployments" / "kubernetes" / "server.yaml").read_text(encoding="utf-8"))
    (settings,) = [one["data"] for one in manifests if one["kind"] == "ConfigMap"]
    return cast("Mapping[str, str]", settings)


@contextmanager
def _postgres(logs: Path) -> Iterator[str]:
    """The address of a database that nobody else can open: a socket in a folder of its owner, no port at all."""
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    folder = Path(tempfile.mkdtemp(prefix="workload-identity-postgres-"))  # pytest's own are closed to another user
    owner: tuple[str, ...] = ()
    if os.geteuid() == 0:  # whom initdb refuses
        postgres = pwd.getpwnam("postgres")
        os.chown(folder, postgres.pw_uid, postgres.pw_gid)
        owner = ("setpriv", f"--reuid={postgres.pw_uid}", f"--regid={postgres.pw_gid}", "--clear-groups", "--")
    try:
        initialise = [binaries / "initdb", "--pgdata", folder / "data", "--username", "prefect", "--auth", "trust"]
        subprocess.run([*owner, *map(str, initialise)], check=True, capture_output=True, cwd="/", env=inherited())
        serve = [*owner, binaries / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
        with running([*serve, "-c", "max_connections=200"], logs / "postgres.log", inherited()) as process:
            ready = [str(binaries / "pg_isready"), "--host", str(folder), "--quiet"]
            until(
                lambda: subprocess.run(ready, check=False).returncode == 0,
                "PostgreSQL",
                process,
                logs / "postgres.log",
            )
            yield f"postgresql+asyncpg://prefect@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder)


@contextmanager
def _redis(logs: Path) -> Iterator[str]:
    """The address of a Redis that keeps nothing on disk."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", logs]
    with running(command, logs / "redis.log", inherited()) as process:
        until(lambda: _pong(port), "Redis", process, logs / "redis.log")
        yield f"redis://127.0.0.1:{port}/0"


def _pong(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
