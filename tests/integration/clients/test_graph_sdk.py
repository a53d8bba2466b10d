"""Microsoft Graph through msgraph-sdk: alternate keys, the bin, passwords and certificates."""

from __future__ import annotations

import base64
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import EnvironmentCredential
from azure.mgmt.keyvault import KeyVaultManagementClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_abstractions.default_query_parameters import QueryParameters
from kiota_http.middleware.options import HeadersInspectionHandlerOption, RetryHandlerOption
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.applications.item.add_password.add_password_post_request_body import (
    AddPasswordPostRequestBody,
)
from msgraph.generated.applications.item.remove_password.remove_password_post_request_body import (
    RemovePasswordPostRequestBody,
)
from msgraph.generated.directory_objects.get_by_ids.get_by_ids_post_request_body import GetByIdsPostRequestBody
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.key_credential import KeyCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_credential import PasswordCredential
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.graph_service_client import GraphServiceClient
from sdk_operator import GROUP, Operator, told

from tests.clients.served import ServedCloud

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
AUDIENCE = "api://AzureADTokenExchange"


@pytest.fixture
async def graph(served: ServedCloud) -> GraphServiceClient:
    """The SDK's client with everything at its default."""
    return GraphServiceClient(EnvironmentCredential(), ["https://graph.microsoft.com/.default"])


async def made(graph: GraphServiceClient, name: str) -> Application:
    """An application; it has both ids."""
    application = await graph.applications.post(Application(display_name=name))
    assert application is not None
    assert application.id
    assert application.app_id
    return application


async def test_an_application_is_read_and_deleted_by_its_client_id(graph: GraphServiceClient) -> None:
    application = await made(graph, "by-client-id")
    by_client_id = graph.applications_with_app_id(application.app_id)
    found = await by_client_id.get()
    assert found is not None
    assert found.id == application.id
    await by_client_id.delete()
    with pytest.raises(ODataError) as missing:
        await by_client_id.get()
    assert missing.value.response_status_code == 404


async def test_an_application_is_found_in_the_bin_and_taken_out_for_good(graph: GraphServiceClient) -> None:
    application = await made(graph, "to-the-bin")
    await graph.applications.by_application_id(application.id or "").delete()
    deleted = graph.directory.deleted_items
    listed = await deleted.graph_application.get()
    assert listed is not None
    assert application.id in [one.id for one in listed.value or ()]
    binned = deleted.by_directory_object_id(application.id or "")
    found = await binned.get()
    assert found is not None
    assert found.deleted_date_time is not None
    await binned.delete()
    with pytest.raises(ODataError) as missing:
        await binned.get()
    assert missing.value.response_status_code == 404


async def test_a_federated_credential_is_changed_by_its_name(graph: GraphServiceClient) -> None:
    application = await made(graph, "federated")
    credentials = graph.applications.by_application_id(application.id or "").federated_identity_credentials
    await credentials.post(
        FederatedIdentityCredential(name="one", issuer="https://issuer.example/", subject="a", audiences=[AUDIENCE])
    )
    await (
        graph.applications.by_application_id(application.id or "")
        .federated_identity_credentials_with_name("one")
        .patch(FederatedIdentityCredential(subject="b"))
    )
    found = await credentials.by_federated_identity_credential_id("one").get()
    assert found is not None
    assert found.subject == "b"


async def test_a_federated_credential_of_two_audiences_is_refused(graph: GraphServiceClient) -> None:
    application = await made(graph, "two-audiences")
    credentials = graph.applications.by_application_id(application.id or "").federated_identity_credentials
    with pytest.raises(ODataError) as refusal:
        await credentials.post(
            FederatedIdentityCredential(
                name="one", issuer="https://issuer.example/", subject="a", audiences=[AUDIENCE, "api://other"]
            )
        )
    assert refusal.value.error
    assert refusal.value.error.code == "InvalidFederatedIdentityCredentialValue"


async def test_a_service_principal_is_changed_by_its_client_id(graph: GraphServiceClient) -> None:
    application = await made(graph, "with-principal")
    await graph.service_principals.post(ServicePrincipal(app_id=application.app_id))
    by_client_id = graph.service_principals_with_app_id(application.app_id)
    await by_client_id.patch(ServicePrincipal(account_enabled=False))
    found = await by_client_id.get()
    assert found is not None
    assert found.account_enabled is False


async def test_more_than_a_thousand_ids_at_once_are_refused(graph: GraphServiceClient) -> None:
    with pytest.raises(ODataError) as refusal:
        await graph.directory_objects.get_by_ids.post(GetByIdsPostRequestBody(ids=[str(uuid.uuid4())] * 1001))
    assert refusal.value.response_status_code == 400


async def test_a_password_signs_in_until_it_ends_or_is_removed(
    graph: GraphServiceClient, operator: Operator, served: ServedCloud
) -> None:
    application = await made(graph, "with-passwords")
    await graph.service_principals.post(ServicePrincipal(app_id=application.app_id))
    passwords = graph.applications.by_application_id(application.id or "")
    soon = datetime.now(UTC) + timedelta(hours=1)
    short, long = [
        await passwords.add_password.post(AddPasswordPostRequestBody(password_credential=credential))
        for credential in (PasswordCredential(end_date_time=soon), PasswordCredential())
    ]
    assert short is not None
    assert long is not None
    scope = "https://graph.microsoft.com/.default"
    for password in (short, long):
        assert operator.as_somebody(application.app_id or "", password.secret_text or "").get_token(scope)
    await passwords.remove_password.post(RemovePasswordPostRequestBody(key_id=long.key_id))
    served.simulator.simulation.clock.step(3600)
    for password, words in ((short, "AADSTS7000222: .* expired"), (long, "AADSTS7000215: Invalid client secret")):
        with pytest.raises(ClientAuthenticationError, match=words):
            operator.as_somebody(application.app_id or "", password.secret_text or "").get_token(scope)


async def test_a_program_with_a_role_on_a_vault_is_refused_at_its_neighbour(
    graph: GraphServiceClient, operator: Operator
) -> None:
    application = await made(graph, "of-one-vault")
    principal = await graph.service_principals.post(ServicePrincipal(app_id=application.app_id))
    password = await graph.applications.by_application_id(application.id or "").add_password.post(
        AddPasswordPostRequestBody(password_credential=PasswordCredential())
    )
    assert principal is not None
    assert password is not None
    for vault in ("kv-own", "kv-neighbour"):
        operator.secrets(vault)
    scope = f"{operator.scope}/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults/kv-own"
    definition = f"{operator.scope}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
    properties = {"roleDefinitionId": definition, "principalId": principal.id, "principalType": "ServicePrincipal"}
    operator.authorization.role_assignments.create(scope, str(uuid.uuid4()), {"properties": properties})
    credential = operator.as_somebody(application.app_id or "", password.secret_text or "")
    with KeyVaultManagementClient(credential, operator.subscription, retry_total=0) as theirs:
        assert theirs.vaults.get(GROUP, "kv-own").name == "kv-own"
        with pytest.raises(HttpResponseError) as refusal:
            theirs.vaults.get(GROUP, "kv-neighbour")
    assert told(refusal.value) == (403, "AuthorizationFailed")


async def test_applications_for_personal_accounts_are_written_60_times_in_a_minute(
    graph: GraphServiceClient, served: ServedCloud
) -> None:
    unheeded: RequestConfiguration[QueryParameters] = RequestConfiguration(
        options=[RetryHandlerOption(max_retries=0, should_retry=False)]
    )
    everybody = Application(display_name="for-everybody", sign_in_audience="AzureADandPersonalMicrosoftAccount")
    weather = served.simulator.simulation.weather
    speed, weather.speed = weather.speed, 0.01
    weather.change(throttling=True)
    try:
        for _ in range(60):
            await graph.applications.post(everybody, unheeded)
        with pytest.raises(ODataError) as refusal:
            await graph.applications.post(everybody, unheeded)
    finally:
        weather.change(throttling=False)
        weather.speed = speed
    assert refusal.value.response_status_code == 429


def certificate() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "of-sdk")])
    now = datetime.now(UTC)
    unsigned = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    lasting = unsigned.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=30))
    return lasting.sign(key, hashes.SHA256())


async def test_a_certificate_is_known_by_its_thumbprint_and_its_key_is_not_given_back(
    graph: GraphServiceClient,
) -> None:
    application = graph.applications.by_application_id((await made(graph, "with-certificate")).id or "")
    ours = certificate()
    key = KeyCredential(type="AsymmetricX509Cert", usage="Verify", key=ours.public_bytes(Encoding.DER))
    await application.patch(Application(key_credentials=[key]))
    found = await application.get()
    assert found is not None
    (kept,) = found.key_credentials or ()
    assert kept.key is None
    # The SDK takes the text for base64, and hands out what it would be.
    thumbprint = base64.b64encode(kept.custom_key_identifier or b"").decode()
    assert thumbprint == ours.fingerprint(hashes.SHA1()).hex().upper()


async def test_an_answer_tells_how_many_units_it_has_cost(graph: GraphServiceClient) -> None:
    """By these a program sees how much of its tenant's share it takes."""
    costs = []
    for wanted in (None, "displayName eq 'none'"):
        headers = HeadersInspectionHandlerOption(inspect_response_headers=True)
        parameters = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters(filter=wanted)
        await graph.applications.get(RequestConfiguration(query_parameters=parameters, options=[headers]))
        costs.append(headers.response_headers.try_get("x-ms-resource-unit"))
    assert costs == [{"1"}, {"2"}]
