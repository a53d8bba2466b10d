"""How fast the simulator starts and answers, and how much memory a large fleet's objects take in it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.conftest import ROOT
from tests.operator import token_request

from .figures import Figure
from .served import ServedCloud, served

_SIMULATE = (sys.executable, "-m", "simulator", "--weather", "calm")
_STARTS = 5
_WORKLOADS = 10_000


def figures() -> list[Figure]:
    """All three."""
    return [start_up(), throughput(), memory()]


def start_up() -> Figure:
    """From the command to the moment at which a program inside runs, the median of some starts."""
    seconds = []
    with TemporaryDirectory() as directory:
        for _ in range(_STARTS + 1):
            began = time.perf_counter()
            subprocess.run([*_SIMULATE, "--directory", directory, "--", "true"], cwd=ROOT, check=True)
            seconds.append(time.perf_counter() - began)
    how = f"simulate -- true, median of {_STARTS}"
    return Figure("simulator: start-up", statistics.median(seconds[1:]), "s", 1.0, "below", how)


def throughput() -> Figure:
    """GETs of one application over TLS, per second of the simulator's own CPU time."""
    with served() as cloud:
        token = _token(cloud, "https://graph.microsoft.com")
        host, path = "graph.microsoft.com", "/v1.0/applications?$top=1"
        before = cloud.cpu_seconds()
        command = [sys.executable, str(Path(__file__).parent / "load.py"), host, path, "8", "5"]
        environment = {**os.environ, **cloud.environment, "LOAD_TOKEN": token}
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        spent = cloud.cpu_seconds() - before
    statuses: dict[str, int] = json.loads(told.stdout)["statuses"]
    assert statuses.keys() == {"200"}, statuses
    how = f"{statuses['200']:,} GETs of Graph on 8 connections, per second of its CPU"
    return Figure("simulator: simple requests on one core", statuses["200"] / spent, "1/s", 2000, "above", how)


def memory() -> Figure:
    """What the process holds with the objects of a large fleet in it."""
    command = [sys.executable, "-m", "tests.benchmarks.holding", str(_WORKLOADS)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    how = "application, principal, credential, namespace, ServiceAccount of each, on 10 clusters"
    return Figure(f"simulator: {_WORKLOADS:,} workloads", float(told.stdout) / 1e6, "MB", 500, "below", how)


def _token(cloud: ServedCloud, resource: str) -> str:
    """The operator's."""
    given = cloud.environment
    url, form = token_request(given, resource)
    with httpx.Client(proxy=given["HTTPS_PROXY"], verify=given["SSL_CERT_FILE"], trust_env=False) as http:
        token: str = http.post(url, data=form).json()["access_token"]
    return token
