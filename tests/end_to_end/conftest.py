"""One Prefect server for the end-to-end tests of a process, and a terminal before a simulated cloud for each module."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from flows import prefect_server
from tests.conftest import CANARY
from tests.end_to_end.command import TOKEN, PrefectApi, files_below


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WORKLOAD_IDENTITY_HOME of the tests of one process.

    Those beside it have a server of their own, for their fleets have the same name, and one server lets one run at a
    time change a fleet.
    """
    home = tmp_path_factory.getbasetemp() / "workload-identity-home"
    home.mkdir()
    return home


@pytest.fixture(scope="session")
def prefect(home: Path) -> Iterator[PrefectApi]:
    """The background server as the command line starts it."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AZURE_"))}
    with mock.patch.dict(os.environ, usual, clear=True):
        os.environ["WORKLOAD_IDENTITY_HOME"] = str(home)
        os.environ["KEYVAULT_SECRET_VALUE"] = CANARY  # as with the command that finds no server running
        yield PrefectApi(f"{prefect_server.attach()}/api")
        telling = [path for path, text in files_below(home).items() if CANARY.encode() in text or TOKEN.search(text)]
        # Said anew: a cloud that began before this fixture and ended since has put its own environment back.
        os.environ["WORKLOAD_IDENTITY_HOME"] = str(home)
        assert prefect_server.stop(), "the server of the tests was not there to be ended"
        assert telling == [], "after all these runs something secret is kept"
