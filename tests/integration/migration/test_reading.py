"""An old set-up is read from a cluster, and becomes a fleet file whose plan adds and takes nothing away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from fleet.changes import Action
from fleet.files import load
from fleet.migration import file
from fleet.migration.set_up import Kind, Scope
from flows import migrate
from tests.conftest import Cloud
from tests.veteran import veteran

import pytest

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cloud]:
    async with veteran(tmp_path_factory.mktemp("simulator")) as running:
        yield running


async def test_x(cloud: Cloud) -> None:
    async with migrate.at("veteran", None) as there:
        seen = await migrate.look(there)
        text = file.text(seen.migration)
        print(text)
        for m in seen.migration.everything_to_know:
            print(m)
        print(seen.migration.hidden, seen.set_up.scope)
        p = await migrate.plan_of(there, load(text))
        for c in p.changes:
            print(c.action, c.key, c.differences)
        print(p.holds)
        assert 0
