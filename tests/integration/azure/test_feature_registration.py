"""Preview features and resource providers."""

from __future__ import annotations

import re

import pytest
from simulated_cloud import SUBSCRIPTION, Cloud, code

FEATURES = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Features"
CONTAINERS = f"{FEATURES}/providers/Microsoft.ContainerService/features"
PREVIEW = f"{CONTAINERS}/EnableOIDCIssuerPreview"
NEWER = f"{FEATURES}/featureProviders/Microsoft.ContainerService/subscriptionFeatureRegistrations"


async def test_registering_takes_a_while_and_is_polled(slow: Cloud) -> None:
    assert (await slow.arm("GET", PREVIEW)).json()["properties"]["state"] == "NotRegistered"
    answer = await slow.arm("POST", f"{PREVIEW}/register")
    assert answer.json() == {
        "properties": {"state": "Registering"},
        "id": PREVIEW,
        "type": "Microsoft.Features/providers/features",
        "name": "Microsoft.ContainerService/EnableOIDCIssuerPreview",
    }
    assert not {"location", "azure-asyncoperation"} & set(answer.headers)
    slow.simulation.clock.step(89)
    assert (await slow.arm("GET", PREVIEW)).json()["properties"]["state"] == "Registering"
    slow.simulation.clock.step(1)
    assert (await slow.arm("GET", PREVIEW)).json()["properties"]["state"] == "Registered"
    assert (await slow.arm("POST", f"{PREVIEW}/register")).json()["properties"]["state"] == "Registered"
    assert (await slow.arm("POST", f"{PREVIEW}/unregister")).json()["properties"]["state"] == "Unregistering"


async def test_a_stuck_flag_registers_for_ever(slow: Cloud) -> None:
    assert (await slow.arm("GET", f"{CONTAINERS}/Stuck")).json()["properties"]["state"] == "NotRegistered"
    assert (await slow.arm("POST", f"{CONTAINERS}/Stuck/register")).json()["properties"]["state"] == "Registering"
    slow.simulation.clock.step(86400)
    assert (await slow.arm("GET", f"{CONTAINERS}/Stuck")).json()["properties"]["state"] == "Registering"


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/register")])
async def test_a_flag_that_is_generally_available_is_gone(calm: Cloud, method: str, suffix: str) -> None:
    answer = await calm.arm(method, f"{CONTAINERS}/GoneGA{suffix}")
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "The feature 'GoneGA' could not be found."


async def test_the_newer_surface_registers_at_once(slow: Cloud) -> None:
    made = (await slow.arm("PUT", f"{NEWER}/Other", {})).json()
    assert made["type"] == "microsoft.features/featureproviders/subscriptionfeatureregistrations"
    assert (made["name"], made["properties"]["state"]) == ("Other", "Registered")
    assert [one["name"] for one in (await slow.arm("GET", NEWER)).json()["value"]] == ["Other"]
    assert (await slow.arm("DELETE", f"{NEWER}/Other")).content == b""
    assert code(await slow.arm("GET", f"{NEWER}/Other")) == (404, "ResourceNotFound")


async def test_features_are_listed_without_those_that_are_gone(calm: Cloud) -> None:
    listed = [one["name"] for one in (await calm.arm("GET", CONTAINERS)).json()["value"]]
    assert listed == [
        "Microsoft.ContainerService/EnableOIDCIssuerPreview",
        "Microsoft.ContainerService/Stuck",
        "Microsoft.ContainerService/OnRequest",
    ]


async def test_a_provider_registers_slowly_too(slow: Cloud) -> None:
    path = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Batch"
    assert (await slow.arm("GET", path)).json()["registrationState"] == "NotRegistered"
    assert (await slow.arm("POST", f"{path}/register")).json()["registrationState"] == "Registering"
    slow.simulation.clock.step(90)
    assert (await slow.arm("GET", path)).json()["registrationState"] == "Registered"
    unknown = await slow.arm("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Nothing")
    assert code(unknown) == (404, "InvalidResourceNamespace")


async def test_a_feature_that_needs_approval_stays_pending(slow: Cloud) -> None:
    path = f"{CONTAINERS}/OnRequest"
    assert (await slow.arm("POST", f"{path}/register")).json()["properties"]["state"] == "Pending"
    slow.simulation.clock.step(86400)
    assert (await slow.arm("GET", path)).json()["properties"]["state"] == "Pending"
    newer = (await slow.arm("PUT", f"{NEWER}/OnRequest", {})).json()["properties"]
    assert (newer["state"], newer["approvalType"]) == ("Pending", "ApprovalRequired")


async def test_the_newer_surface_answers_as_recorded(calm: Cloud) -> None:
    answer = await calm.arm("PUT", f"{NEWER}/Other", {})
    properties = answer.json()["properties"]
    assert answer.headers["x-ms-providerhub-traffic"] == "True"
    assert re.fullmatch(r".*\.\d{7}Z", properties["registrationDate"])
    assert properties | {"registrationDate": "", "releaseDate": ""} == {
        "subscriptionId": SUBSCRIPTION,
        "featureName": "Other",
        "providerNamespace": "Microsoft.ContainerService",
        "state": "Registered",
        "releaseDate": "",
        "approvalType": "AutoApproval",
        "registrationDate": "",
        "shouldFeatureDisplayInPortal": False,
    }


async def test_a_provider_has_no_properties_and_tells_places_by_their_display_names(calm: Cloud) -> None:
    body = (await calm.arm("GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault")).json()
    assert sorted(body) == ["id", "namespace", "registrationPolicy", "registrationState", "resourceTypes"]
    assert body["resourceTypes"][0]["locations"][0] == "West Europe"
    assert body["registrationPolicy"] == "RegistrationRequired"
