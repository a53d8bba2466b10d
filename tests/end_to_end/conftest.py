"""One Prefect server for all end-to-end tests, and a terminal in front of a simulated cloud for each module."""

from __future__ import annotations

import fcntl
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
    """WORKLOAD_IDENTITY_HOME of the tests; test processes that run side by side share it."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workload-identity-home"
    home.mkdir(exist_ok=True)
    return home


@pytest.fixture(scope="session")
def prefect(home: Path) -> Iterator[PrefectApi]:
    """The background server as the command line starts it. Whoever needs it last ends it."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "AZURE_"))}
    with (home / "users").open("w") as users, mock.patch.dict(os.environ, usual, clear=True):
        os.environ["WORKLOAD_IDENTITY_HOME"] = str(home)
        os.environ["KEYVAULT_SECRET_VALUE"] = CANARY  # as with the command that finds no server running
        fcntl.flock(users, fcntl.LOCK_SH)
        yield PrefectApi(f"{prefect_server.attach()}/api")
        telling = [path for path, text in files_below(home).items() if CANARY.encode() in text or TOKEN.search(text)]
        # Said anew: a cloud that began before this fixture and ended since has put its own environment back.
        os.environ["WORKLOAD_IDENTITY_HOME"] = str(home)
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert prefect_server.stop(), "the server of the tests was not there to be ended"
        except BlockingIOError:
            pass
        assert telling == [], "after all these runs something secret is kept"
