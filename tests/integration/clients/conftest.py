"""One simulated cloud for each module, for SDKs that know nothing of it: the environment alone leads them there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest
from sdk_operator import Operator

from tests.clients.served import ServedCloud


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedCloud]:
    """The demo's cloud, and in this process's environment the way there."""
    served = ServedCloud(tmp_path_factory.mktemp("cloud"))
    with mock.patch.dict(os.environ, served.simulator.environment()):
        yield served
    served.end()
    assert served.simulator.simulation.unknown == []


@pytest.fixture(scope="module")
def operator(served: ServedCloud) -> Iterator[Operator]:
    """The operator's SDK clients."""
    with Operator() as operator:
        yield operator
