"""A person's terminal inside a simulated cloud of its own, with the real clients on its PATH."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from simulator.azure import kubeconfig
from tests.clients.served import ServedCloud
from tests.conftest import ROOT

CLIENTS = Path(os.environ.get("WORKLOAD_IDENTITY_CLIENTS") or ROOT / ".state" / "clients")
"""Where tests/clients/install.sh puts what it installs."""

EXPECTED_UNKNOWN: dict[str, str] = {}
"""What real clients may ask although the simulator does not know it, each with the reason why that is right."""

OURS = Path(sys.executable).parent


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    command: str
    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed on standard output; None where it printed nothing."""
        return json.loads(self.out) if self.out.strip() else None


@dataclass
class Terminal:
    """Runs commands in a simulated cloud. After each, nothing was asked that the simulator does not know."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    cloud: ServedCloud = field(init=False)

    def enter_cloud(self) -> None:
        """Start a simulated cloud in calm weather; from here on every command runs in it."""
        self.cloud = ServedCloud(self.directory / "simulator")
        self.environment = {
            "PATH": f"{OURS}{os.pathsep}{CLIENTS / 'azure-cli' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
            "LANG": "C.UTF-8",
            "AZURE_CONFIG_DIR": str(self.directory / "azure"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_OUTPUT": "json",
            "AZURE_CORE_NO_COLOR": "yes",
            "KUBECONFIG": str(self.directory / "kubeconfig"),
            "WORKLOAD_IDENTITY_HOME": str(self.directory / "home"),
            **self.cloud.simulator.environment(),
        }

    def leave_cloud(self) -> None:
        """End the simulated cloud."""
        self.cloud.end()

    def run(self, command: str, *, given: str = "", seconds: float = 90, **names: str) -> Ended:
        """Run one command, with ``$name`` and ``$VARIABLE`` replaced in each of its words, and ``given`` to read."""
        known = {**self.environment, **names}
        words = [Template(word).safe_substitute(known) for word in shlex.split(command)]
        ended = subprocess.run(
            words, env=self.environment, cwd=ROOT, input=given, capture_output=True, text=True, timeout=seconds
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert set(self.unknown()) <= EXPECTED_UNKNOWN.keys(), command
        return Ended(command, ended.returncode, ended.stdout, ended.stderr)

    def succeeds(self, command: str, *, given: str = "", seconds: float = 90, **names: str) -> Ended:
        """Run one command, which must end well."""
        ended = self.run(command, given=given, seconds=seconds, **names)
        assert ended.code == 0, f"{command}\n{ended.out}{ended.err}"
        return ended

    def follows(self, command: str, until: str, seconds: float = 90) -> None:
        """Run a command that prints and prints, until a line has ``until``."""
        process = subprocess.Popen(
            shlex.split(command), env=self.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        watchdog = threading.Timer(seconds, process.kill)
        watchdog.start()
        try:
            assert process.stdout is not None
            printed: list[str] = []
            for line in process.stdout:
                printed.append(line)
                if until in line:
                    return
            raise AssertionError(f"{command} never printed {until}: {''.join(printed)}")
        finally:
            watchdog.cancel()
            process.kill()
            process.communicate()
            assert set(self.unknown()) <= EXPECTED_UNKNOWN.keys(), command

    def unknown(self) -> list[str]:
        """What was asked that the simulator does not know."""
        return list(self.cloud.simulator.simulation.unknown)

    def sign_in(self) -> None:
        """``az login`` as the operator of the cloud."""
        self.succeeds(
            "az login --service-principal --username $AZURE_CLIENT_ID --password $AZURE_CLIENT_SECRET "
            "--tenant $AZURE_TENANT_ID"
        )

    def enter_cluster(self) -> None:
        """A kubeconfig of the cluster's local administrator."""
        self.succeeds("az aks get-credentials -n sysadminas -g sysadminas-aks --admin")

    def is_handed_the_cluster(self) -> None:
        """The same kubeconfig from somebody else, without the seconds that two runs of ``az`` take."""
        simulation = self.cloud.simulator.simulation
        (cluster,) = simulation.clusters.values()
        document = kubeconfig.local(simulation, cluster.state, "clusterAdmin")
        Path(self.environment["KUBECONFIG"]).write_bytes(base64.b64decode(document))


def has_node() -> bool:
    """Whether this machine has Node, and the SDK for it was installed."""
    return shutil.which("node") is not None and (CLIENTS / "node" / "node_modules").is_dir()
