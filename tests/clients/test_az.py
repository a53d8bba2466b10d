"""The Azure CLI, unmodified: what is typed, and what must be true of the answer."""

from __future__ import annotations

import json

import pytest

from tests.clients.story import Row, tell
from tests.clients.terminal import Terminal
from tests.throttled import use_up_graph

pytestmark = pytest.mark.clients

SUBSCRIPTION = "Visual Studio Premium with MSDN"
AKS = "-n sysadminas -g sysadminas-aks"
FEATURE = "--namespace Microsoft.ContainerService -n EnableOIDCIssuerPreview"
TRUST = '{"name":"$name","issuer":"https://issuer.example/","subject":"$subject","audiences":["api://AzureADTokenExchange"]}'
OF_APPLICATION = "az ad app federated-credential"
OF_IDENTITY = "az identity federated-credential"
PAIR = "--issuer https://issuer.example/ --audiences api://AzureADTokenExchange"
SCOPE = "/subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/sysadminas-aks"
IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities"
GRAPH = "https://graph.microsoft.com/v1.0"
BATCH = f"az rest --method post --url {GRAPH}/$batch"
FORM = "--headers Content-Type=application/x-www-form-urlencoded --skip-authorization-header"
TOKEN = f"az rest --method post {FORM} --url https://login.microsoftonline.com"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SIGN_IN = "grant_type=client_credentials&client_id=$AZURE_CLIENT_ID&client_secret=$AZURE_CLIENT_SECRET"


def trust(name: str, subject: str) -> str:
    """The parameters of a federated credential of an application."""
    return TRUST.replace("$name", name).replace("$subject", subject)


def batched(*urls: str) -> str:
    """The body of a batch of GETs."""
    return json.dumps({"requests": [{"id": str(at), "method": "GET", "url": url} for at, url in enumerate(urls)]})


STORIES: dict[str, tuple[Row, ...]] = {
    "account": (
        Row("az account list --query [].name", [SUBSCRIPTION]),
        Row(f"az account set --subscription '{SUBSCRIPTION}'", None),
        Row("az account set --subscription nobody", code=1, says="The subscription of 'nobody' doesn't exist"),
        Row("az account show --query [name,user.type]", [SUBSCRIPTION, "servicePrincipal"]),
        Row("az ad signed-in-user show", code=1, says="/me request is only valid with delegated authentication flow"),
        Row("az account get-access-token --resource https://vault.azure.net --query tokenType", "Bearer"),
    ),
    "feature and provider": (
        Row(f"az feature show {FEATURE} --query properties.state", "NotRegistered"),
        Row(f"az feature register {FEATURE} --query properties.state", says="Regist"),
        Row(
            "az feature list --namespace Microsoft.ContainerService --query [].name",
            ["Microsoft.ContainerService/EnableOIDCIssuerPreview"],
        ),
        Row("az provider register --namespace Microsoft.ContainerService", None),
        Row("az provider show -n Microsoft.ContainerService --query registrationState", "Registered"),
        Row(f"az feature unregister {FEATURE} --query properties.state", says="Unregist"),
        Row(
            "az feature show --namespace Microsoft.ContainerService -n AnyOther --query properties.state",
            "NotRegistered",
        ),
        Row("az provider show -n Microsoft.Nothing", code=3, says="InvalidResourceNamespace"),
    ),
    "cluster": (
        Row("az aks list --query [].[name,provisioningState]", [["sysadminas", "Succeeded"]]),
        Row("az aks show -n nobody -g sysadminas-aks", code=3, says="ResourceNotFound"),
        Row(
            f"az aks update {AKS} --enable-oidc-issuer --enable-workload-identity "
            "--query [oidcIssuerProfile.enabled,securityProfile.workloadIdentity.enabled]",
            [True, True],
        ),
        Row(f"az aks update {AKS} --disable-workload-identity --query securityProfile.workloadIdentity.enabled", False),
        Row(f"az aks update {AKS} --tags team=shop --query tags", {"team": "shop"}),
        Row(f"az aks show {AKS} --query oidcIssuerProfile.issuerUrl", says=r"https://\S+/\S+/"),
        Row(f"az aks get-credentials {AKS} --file -", says="kubelogin"),
        Row(f"az aks get-credentials {AKS} --admin --file -", says="clusterAdmin_sysadminas-aks_sysadminas"),
        Row("az aks get-credentials -n nobody -g sysadminas-aks --file -", code=3, says="ResourceNotFound"),
    ),
    "vault": (
        Row(
            "az keyvault create -n kv-of-table -g sysadminas-aks -l westeurope --query properties.enableSoftDelete",
            True,
        ),
        Row("az keyvault create -n kv-of-table -g sysadminas-aks", code=1, says="already exists"),
        Row("az keyvault list --query [].name", ["kv-of-table"]),
        Row("az keyvault delete -n kv-of-table", None),
        Row("az keyvault list-deleted --query [].name", ["kv-of-table"]),
        Row("az keyvault show -n kv-of-table", code=1, says="not found|does not exist"),
        Row("az keyvault recover -n kv-of-table --query properties.provisioningState", "Succeeded"),
        Row("az keyvault list -g sysadminas-aks --query [].name", ["kv-of-table"]),
        Row("az resource list --resource-type Microsoft.KeyVault/vaults --query [].name", ["kv-of-table"]),
    ),
    "secret": (
        Row(
            "az keyvault create -n kv-of-secrets -g sysadminas-aks --enable-rbac-authorization false "
            "--query properties.accessPolicies[].permissions.secrets",
            [["all"]],
        ),
        Row("az keyvault secret set --vault-name kv-of-secrets -n one --value 1 --query value", "1"),
        Row(
            "az rest --url https://kv-of-secrets.vault.azure.net/secrets --resource https://vault.azure.net",
            code=1,
            says="api-version",
        ),
        Row("az keyvault secret list --vault-name kv-of-secrets --query [].name", ["one"]),
        Row("az keyvault secret delete --vault-name kv-of-secrets -n one --query name", "one"),
        Row("az keyvault secret show --vault-name kv-of-secrets -n one", code=3, says="SecretNotFound"),
        Row(
            "az keyvault secret set --vault-name kv-of-secrets -n one --value 2", code=1, says="deleted but recoverable"
        ),
        Row("az keyvault secret recover --vault-name kv-of-secrets -n one --query name", "one"),
        Row("az keyvault secret show --vault-name kv-of-secrets -n one --query value", "1"),
        Row("az keyvault secret list-versions --vault-name kv-of-secrets -n one --query length(@)", 1),
        Row(
            "az keyvault secret set-attributes --vault-name kv-of-secrets -n one --enabled false "
            "--query attributes.enabled",
            False,
        ),
        Row("az keyvault secret show --vault-name kv-of-secrets -n one", code=1, says="SecretDisabled|disabled secret"),
        Row("az keyvault secret delete --vault-name kv-of-secrets -n one --query name", "one"),
        Row("az keyvault secret list-deleted --vault-name kv-of-secrets --query [].name", ["one"]),
        Row("az keyvault secret show-deleted --vault-name kv-of-secrets -n one --query name", "one"),
        Row("az ad sp create-for-rbac --name of-policies --query appId", keep="client"),
        Row("az ad sp show --id $client --query id", keep="object"),
        Row(
            "az keyvault set-policy -n kv-of-secrets --spn $client --secret-permissions get "
            "--query properties.accessPolicies[1].permissions.secrets",
            ["get"],
        ),
        Row(
            "az keyvault set-policy -n kv-of-secrets --object-id $object --secret-permissions get list "
            "--query sort(properties.accessPolicies[1].permissions.secrets)",
            ["get", "list"],
        ),
        Row(
            "az keyvault delete-policy -n kv-of-secrets --object-id $object --query length(properties.accessPolicies)",
            1,
        ),
        Row(
            "az keyvault update -n kv-of-secrets --default-action Deny --query properties.networkAcls.defaultAction",
            "Deny",
        ),
        Row("az keyvault secret list --vault-name kv-of-secrets", code=1, says="Client address is not authorized"),
    ),
    "application": (
        Row("az ad app create --display-name of-table --sign-in-audience AzureADMyOrg --query appId", keep="client"),
        Row("az ad app update --id $client --display-name renamed", None),
        Row("az ad app list --display-name renamed --query [].displayName", ["renamed"]),
        Row("az ad sp create --id $client --query accountEnabled", True),
        Row("az ad sp create --id $client", code=1, says="already in use"),
        Row("az ad app show --id $client --query [displayName,signInAudience]", ["renamed", "AzureADMyOrg"]),
        Row("az ad sp show --id $client --query appId", says="[0-9a-f-]{36}"),
        Row("az ad sp update --id $client --set accountEnabled=false", None),
        Row("az ad sp list --display-name renamed --query [].accountEnabled", says="false"),
        Row(f"{OF_APPLICATION} create --id $client --parameters '{trust('one', 'a')}' --query name", "one"),
        Row(f"{OF_APPLICATION} create --id $client --parameters '{trust('two', 'a')}'", code=1, says="must be unique"),
        Row(
            f"{OF_APPLICATION} update --id $client --federated-credential-id one --parameters '{trust('one', 'b')}'",
            None,
        ),
        Row(f"{OF_APPLICATION} show --id $client --federated-credential-id one --query subject", "b"),
        Row(f"{OF_APPLICATION} delete --id $client --federated-credential-id one", None),
        Row(f"{OF_APPLICATION} list --id $client", []),
        Row("az ad sp delete --id $client", None),
        Row("az ad sp show --id $client", code=3, says="does not exist"),
        Row("az ad app delete --id $client", None),
        Row("az ad app show --id $client", code=3, says="does not exist"),
    ),
    "managed identity and roles": (
        Row("az identity create -n of-table -g sysadminas-aks --query principalId", keep="principal"),
        Row("az identity list --query [].name", ["of-table"]),
        Row(
            f"{OF_IDENTITY} create -n one --identity-name of-table -g sysadminas-aks {PAIR} --subject a --query name",
            "one",
        ),
        Row(
            f"{OF_IDENTITY} create -n two --identity-name of-table -g sysadminas-aks {PAIR} --subject a",
            code=1,
            says="Issuer and subject combination already exists",
        ),
        Row(f"{OF_IDENTITY} list --identity-name of-table -g sysadminas-aks --query [].subject", ["a"]),
        Row("az identity show -n of-table -g sysadminas-aks --query [name,location]", ["of-table", "westeurope"]),
        Row(
            f"{OF_IDENTITY} update -n one --identity-name of-table -g sysadminas-aks {PAIR} --subject b "
            "--query subject",
            "b",
        ),
        Row(
            f"{OF_IDENTITY} show -n one --identity-name of-table -g sysadminas-aks --query [name,subject]", ["one", "b"]
        ),
        Row(f"{OF_IDENTITY} delete -n one --identity-name of-table -g sysadminas-aks --yes", None),
        Row("az role definition list --name Reader --query [].name", ["acdd72a7-3385-48ef-bd42-f606fba81ae7"]),
        Row(
            "az role assignment create --role Reader --assignee-object-id $principal --assignee-principal-type "
            "ServicePrincipal --scope /subscriptions/$AZURE_SUBSCRIPTION_ID/resourceGroups/sysadminas-aks "
            "--query id",
            keep="assignment",
        ),
        Row("az role assignment list --all --assignee-object-id $principal --query [].roleDefinitionName", ["Reader"]),
        Row(f"az role assignment list --scope {SCOPE} --role Reader --query [].principalType", ["ServicePrincipal"]),
        Row("az role assignment delete --ids $assignment", None),
        Row("az role assignment list --all --assignee-object-id $principal", []),
        Row("az identity delete -n of-table -g sysadminas-aks", None),
        Row("az identity list", []),
    ),
    "rest": (
        Row("az rest --url https://graph.microsoft.com/v1.0/organization --query value[].displayName", ["Sysadminas"]),
        Row("az rest --url /subscriptions?api-version=2022-12-01 --query value[].displayName", [SUBSCRIPTION]),
        Row(
            f"az rest --method put --url {SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/by-rest"
            '?api-version=2024-11-30 --body \'{"location": "westeurope"}\' --query name',
            "by-rest",
        ),
        Row("az resource list -g sysadminas-aks --query \"[?name=='by-rest'].type\"", [IDENTITIES]),
        Row(
            f'az rest --method post --url {GRAPH}/applications --body \'{{"displayName": "by-rest"}}\' --query id',
            keep="id",
        ),
        Row(f'az rest --method patch --url {GRAPH}/applications/$id --body \'{{"tags": ["one"]}}\'', None),
        Row(f"az rest --url {GRAPH}/applications/$id --query tags", ["one"]),
        Row(f"az rest --method delete --url {GRAPH}/applications/$id", None),
        Row(
            f"az rest --url {GRAPH}/directory/deletedItems/microsoft.graph.application --query value[].id",
            says="[0-9a-f-]{36}",
        ),
        Row(
            f"az rest --method post --url {SCOPE}/providers/{IDENTITIES}/by-rest/revokeTokens?api-version=2024-11-30",
            None,
        ),
        Row("az identity delete -n by-rest -g sysadminas-aks", None),
    ),
    "api-version of a request": (
        Row("az rest --url /subscriptions", code=1, says="MissingApiVersionParameter"),
        Row("az rest --url /subscriptions?api-version=latest", code=1, says="InvalidApiVersionParameter"),
    ),
    "batch": (
        Row(
            f"{BATCH} --query responses[].status --body '{batched('/organization', '/applications/none')}'", [200, 404]
        ),
        Row(f"{BATCH} --body '{batched(*['/organization'] * 21)}'", code=1, says="exceeds the maximum value of 20"),
    ),
    "token endpoint": (
        Row(
            f"{TOKEN}/$AZURE_TENANT_ID/oauth2/token --body '{SIGN_IN}&resource=https://vault.azure.net' "
            "--query [token_type,resource]",
            ["Bearer", "https://vault.azure.net"],
        ),
        Row(
            f"{TOKEN}/no_tenant/oauth2/v2.0/token --body '{SIGN_IN}'",
            code=1,
            says="AADSTS900023: Specified tenant identifier 'no_tenant' is neither a valid DNS name",
        ),
        Row(
            f"{TOKEN}/$AZURE_TENANT_ID/oauth2/v2.0/token "
            f"--body 'grant_type={EXCHANGE}&client_id=$AZURE_CLIENT_ID&scope=https://vault.azure.net/.default'",
            code=1,
            says=f"AADSTS70003: .*{EXCHANGE}",
        ),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_az_answers_as_the_cloud_would(operator: Terminal, story: str) -> None:
    tell(operator, STORIES[story])


def test_each_request_of_a_batch_is_throttled_on_its_own(operator: Terminal) -> None:
    simulation = operator.cloud.simulator.simulation
    speed = simulation.weather.speed
    use_up_graph(simulation, speed=0.001)
    try:
        tell(
            operator,
            [Row(f"{BATCH} --query responses[].status --body '{batched('/organization', '/me')}'", [429, 429])],
        )
    finally:
        simulation.weather.change(throttling=False)
        simulation.weather.speed = speed
