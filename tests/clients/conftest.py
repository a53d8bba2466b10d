"""One simulated cloud for each module: starting a client costs far more than what it asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.terminal import CLIENTS, Terminal


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """A terminal in a cloud as the demo's begins; nobody is signed in."""
    if not (CLIENTS / "azure-cli" / "bin" / "az").exists():
        pytest.fail("the clients are not installed: run tests/clients/install.sh, or make clients")
    terminal = Terminal(tmp_path_factory.mktemp("terminal"))
    terminal.enter_cloud()
    yield terminal
    terminal.leave_cloud()


@pytest.fixture(scope="module")
def operator(terminal: Terminal) -> Terminal:
    """A terminal at which the operator is signed in."""
    terminal.sign_in()
    return terminal


@pytest.fixture(scope="module")
def inside(terminal: Terminal) -> Terminal:
    """A terminal with the cluster's kubeconfig; no ``az`` is signed in."""
    terminal.is_handed_the_cluster()
    return terminal
