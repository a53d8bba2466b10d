"""The whole chain of one workload, through the wire only."""

from __future__ import annotations

from simulated_cloud import GROUP, SUBSCRIPTION, TENANT, Cloud


async def test_a_federated_application_reads_the_secret_of_its_vault(calm: Cloud) -> None:
    calm.publish_issuer()
    listed = (await calm.arm("GET", "/subscriptions")).json()["value"]
    assert [one["displayName"] for one in listed] == ["Production"]
    app, principal = await calm.make_application()
    assert (await calm.federate(app)).status_code == 201
    vault = (await calm.make_vault(enableRbacAuthorization=True)).json()
    assert (await calm.vault("PUT", "vault-one", "/secrets/password", {"value": "hunter2"})).status_code == 200
    role = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/"
    role += "4633458b-17de-408a-b874-0445c86b69e6"
    assigned = await calm.arm(
        "PUT",
        f"{vault['id']}/providers/Microsoft.Authorization/roleAssignments/77777777-7777-4777-8777-777777777777",
        {"properties": {"roleDefinitionId": role, "principalId": principal["id"]}},
    )
    assert assigned.status_code == 201
    exchanged = await calm.exchange(app["appId"], calm.assertion())
    assert exchanged.json()["expires_in"] == 3599
    bearer = {"Authorization": f"Bearer {exchanged.json()['access_token']}"}
    secret = await calm.vault("GET", "vault-one", "/secrets/password/", **bearer)
    assert secret.json()["value"] == "hunter2"
    refused = await calm.vault("PUT", "vault-one", "/secrets/password", {"value": "x"}, **bearer)
    assert refused.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"


async def test_a_federated_managed_identity_reads_the_secret_by_access_policy(calm: Cloud) -> None:
    calm.publish_issuer()
    path = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/checkout"
    identity = (await calm.arm("PUT", path, {"location": "westeurope"})).json()["properties"]
    trust = {"issuer": "https://issuer.example/cluster/", "subject": "system:serviceaccount:shop:checkout"}
    body = {"properties": trust | {"audiences": ["api://AzureADTokenExchange"]}}
    assert (await calm.arm("PUT", f"{path}/federatedIdentityCredentials/one", body)).status_code == 201
    policy = {"tenantId": TENANT, "objectId": identity["principalId"], "permissions": {"secrets": ["get"]}}
    own = {"tenantId": TENANT, "objectId": "44444444-4444-4444-8444-444444444444", "permissions": {"secrets": ["all"]}}
    await calm.make_vault(accessPolicies=[policy, own])
    await calm.vault("PUT", "vault-one", "/secrets/password", {"value": "hunter2"})
    token = (await calm.exchange(identity["clientId"], calm.assertion())).json()["access_token"]
    secret = await calm.vault("GET", "vault-one", "/secrets/password", Authorization=f"Bearer {token}")
    assert secret.json()["value"] == "hunter2"
