"""Faults of a chain whose workload runs as a managed identity, with a vault that goes by roles."""

from __future__ import annotations

import re

import pytest
import yaml

from fleet.files import load
from fleet.spec import Fleet
from simulator.breakage import break_
from tests.conftest import DEMO_FLEET, Cloud
from tests.integration.chain.symptoms import symptom

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYMPTOMS = {
    "identity-deleted": "AADSTS700016",
    "principal-disabled": "AADSTS7000112",
    "issuer-slash": "AADSTS700211",
    "credential-missing": "AADSTS70025",
    "credential-budget": "AADSTS700213",
    "access-missing": "vault: ForbiddenByRbac",
    "access-elsewhere": "vault: ForbiddenByRbac",
    "access-narrow": "vault: ForbiddenByRbac",
    "access-young": "vault: ForbiddenByRbac",
    "access-model": "vault: AccessDenied",
}
"""What the first one who notices says."""


def managed() -> Fleet:
    """The demo's fleet with a managed identity, and a vault that goes by roles."""
    described = yaml.safe_load(DEMO_FLEET.read_text(encoding="utf-8"))
    described["vaults"][0]["authorization"] = "rbac"
    described["identities"][0] |= {
        "kind": "managed-identity",
        "resource_group": "sysadminas-aks",
        "location": "westeurope",
    }
    return load(yaml.safe_dump(described))


@pytest.fixture(scope="module")
def reconciled_fleet() -> Fleet:
    """One whose workload runs as a managed identity."""
    return managed()


@pytest.mark.parametrize("fault", SYMPTOMS)
async def test_a_fault_shows_where_people_meet_it(whole: Cloud, fault: str) -> None:
    await break_(whole.simulator.simulation, fault, "")
    found = await symptom(whole)
    assert re.search(SYMPTOMS[fault], found), found
