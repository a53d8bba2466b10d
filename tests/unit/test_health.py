"""The fleet's health: a row for every workload on every cluster, told link by link."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fleet.health import PROVEN, REFUTED, UNTRIED, ChainHealth, Status, health
from fleet.observed import Observed
from fleet.plan import plan
from fleet.proof import Proof
from fleet.spec import Fleet

from .test_proof import CHAIN
from .worlds import a_fleet, aks, application, as_wanted, changed, deployment, empty, unseen, workload

CREDENTIAL = "federated-credential:app/one/space/account"
NOTHING: Mapping[str, str] = {}


def after(fleet: Fleet, observed: Observed, *proofs: Proof, failed: str = "", waits: str = "") -> list[ChainHealth]:
    """The health after a run that began with this world."""
    failures = {failed: "denied"} if failed else NOTHING
    waiting = {waits: "not proven"} if waits else NOTHING
    return health(fleet, observed, plan(fleet, observed), failures, waiting, proofs)


def proof(*, holds: bool, cluster: str = "one") -> Proof:
    link = CHAIN.model_copy(update={"cluster": cluster})
    return Proof(chain=link, holds=holds)


def test_where_nothing_is_to_do_every_link_is_sound() -> None:
    fleet = a_fleet()
    (row,) = after(fleet, as_wanted(fleet), proof(holds=True))
    assert (row.workload, row.cluster, row.proof, row.is_well) == ("space/account", "one", PROVEN, True)
    assert row.links == dict.fromkeys(
        ("issuer", "webhook", "identity", "federation", "access", "vault", "service account", "deployment"),
        Status.SOUND,
    )


def test_what_a_run_has_made_is_told() -> None:
    (row,) = after(a_fleet(), empty(), proof(holds=True))
    assert set(row.links.values()) == {Status.MADE}


@pytest.mark.parametrize(
    ("kind", "drift", "link"),
    [
        ("cluster", {"oidc_issuer": False}, "issuer"),
        ("service-account", {"client_id": "other"}, "service account"),
        ("deployment", {"service_account": "other"}, "deployment"),
        ("secret", {"value": "different"}, "vault"),
        ("service-principal", {"account_enabled": False}, "identity"),
    ],
)
def test_a_link_that_had_drifted_is_told_as_mended(kind: str, drift: Mapping[str, object], link: str) -> None:
    fleet = a_fleet()
    (row,) = after(fleet, changed(as_wanted(fleet), kind, **drift), proof(holds=True))
    assert row.links[link] is Status.MENDED
    assert row.is_well


def test_the_worst_of_a_links_objects_counts() -> None:
    (row,) = after(a_fleet(), empty(), failed="service-principal:app")
    assert row.links["identity"] is Status.FAILED
    assert row.links["federation"] is Status.MADE
    assert not row.is_well


def test_a_link_that_waits_for_a_proof_is_no_illness() -> None:
    (row,) = after(a_fleet(), empty(), waits=CREDENTIAL)
    assert row.links["federation"] is Status.WAITING
    assert row.is_well


def test_what_is_held_is_not_well() -> None:
    fleet = a_fleet()
    (row,) = after(fleet, unseen(as_wanted(fleet), "directory"))
    assert row.links["identity"] is Status.HELD
    assert not row.is_well


@pytest.mark.parametrize(
    ("proofs", "told", "well"),
    [((), UNTRIED, True), ((proof(holds=True),), PROVEN, True), ((proof(holds=False),), REFUTED, False)],
)
def test_the_proof_is_told(proofs: tuple[Proof, ...], told: str, well: bool) -> None:
    fleet = a_fleet()
    (row,) = after(fleet, as_wanted(fleet), *proofs)
    assert (row.proof, row.is_well) == (told, well)


def test_an_illness_is_of_those_only_whose_link_it_is() -> None:
    fleet = a_fleet(
        clusters=[aks(), aks("two")],
        identities=[application(), application("other")],
        workloads=[
            workload(clusters=["one", "two"], deployment=deployment()),
            workload("second", identity="other"),
        ],
    )
    rows = after(fleet, empty(), failed=CREDENTIAL)
    assert [(row.workload, row.cluster, row.is_well) for row in rows] == [
        ("space/account", "one", False),
        ("space/account", "two", True),
        ("space/second", "one", True),
    ]
    assert "deployment" not in rows[2].links
