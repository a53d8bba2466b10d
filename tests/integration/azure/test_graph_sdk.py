"""Microsoft's own SDK for Graph, which we do not use ourselves, finds in the simulator what it finds in Graph."""

from __future__ import annotations

import httpx
from azure.identity.aio import DefaultAzureCredential
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.models.application import Application
from msgraph.generated.models.federated_identity_credential import FederatedIdentityCredential
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.service_principal import ServicePrincipal
from msgraph.graph_service_client import GraphServiceClient

from tests.conftest import Cloud

_Listing = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters


async def test_the_sdk_builds_the_directory_part_of_the_chain(cloud: Cloud) -> None:
    async with DefaultAzureCredential() as credential:
        graph = GraphServiceClient(credential, scopes=["https://graph.microsoft.com/.default"])
        made = await graph.applications.post(Application(display_name="by-sdk", unique_name="by-sdk"))
        assert made is not None
        assert made.id is not None
        await graph.service_principals.post(ServicePrincipal(app_id=made.app_id))
        trust = FederatedIdentityCredential(
            name="trust",
            issuer="https://issuer.example/",
            subject="system:serviceaccount:team:app",
            audiences=["api://AzureADTokenExchange"],
        )
        await graph.applications.by_application_id(made.id).federated_identity_credentials.post(trust)

        principal = await graph.service_principals_with_app_id(str(made.app_id)).get()
        query = _Listing(filter="displayName eq 'by-sdk'", expand=["federatedIdentityCredentials"])
        configuration = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetRequestConfiguration(
            query_parameters=query
        )
        listed = await graph.applications.get(configuration)
        with_name = graph.applications.by_application_id(made.id).federated_identity_credentials_with_name("none")
        try:
            await with_name.get()
            refusal = 0
        except ODataError as error:
            refusal = error.response_status_code or 0
    assert principal is not None
    assert principal.app_id == made.app_id
    assert listed is not None
    [found] = listed.value or []
    assert [credential.subject for credential in found.federated_identity_credentials or ()] == [trust.subject]
    assert refusal == httpx.codes.NOT_FOUND
