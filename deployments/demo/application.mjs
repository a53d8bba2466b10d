// The twin of application.py in JavaScript: it reads a secret from Key Vault, again and again.
//
// It holds no credential of its own. The admission webhook gave its pod three things that the Azure SDK reads by
// itself: AZURE_CLIENT_ID and AZURE_TENANT_ID say who it is, AZURE_FEDERATED_TOKEN_FILE names a file with the pod's own
// service account token, which the cluster renews and Entra accepts in exchange for an access token.
//
// Tell it where to look: KEYVAULT_URL (or KEYVAULT_NAME) and SECRET_NAME.

import { setTimeout as sleep } from "node:timers/promises";

import { WorkloadIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const READ_AGAIN_SECONDS = 30;
const RETRY_SECONDS = 5;

// What may be shown of a secret: that it is there, and how long it is.
const masked = (value) => `${"*".repeat(8)} (${value.length} characters)`;

// Read the secret and say so; how many seconds to wait before the next time. A new identity, its federated credential
// and its permissions take a while to be known everywhere, so a refusal is no reason to give up.
async function readOnce(client, name) {
  try {
    const secret = await client.getSecret(name);
    console.log(`read secret '${name}' from ${client.vaultUrl}: ${masked(secret.value ?? "")}`);
    return READ_AGAIN_SECONDS;
  } catch (error) {
    const reason = String(error.message).trim().split("\n")[0];
    console.log(`not yet: ${reason} (again in ${RETRY_SECONDS} s)`);
    return RETRY_SECONDS;
  }
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function opened() {
  try {
    return new WorkloadIdentityCredential();
  } catch (error) {
    return fail(`no workload identity in this pod: ${error.message}`);
  }
}

process.on("SIGTERM", () => process.exit(0));
const { KEYVAULT_URL, KEYVAULT_NAME, SECRET_NAME, AZURE_CLIENT_ID, AZURE_TENANT_ID } = process.env;
if (!SECRET_NAME || !(KEYVAULT_URL || KEYVAULT_NAME)) {
  fail("this application needs KEYVAULT_URL or KEYVAULT_NAME, and SECRET_NAME");
}
const client = new SecretClient(KEYVAULT_URL || `https://${KEYVAULT_NAME}.vault.azure.net`, opened());
console.log(`client ${AZURE_CLIENT_ID} of tenant ${AZURE_TENANT_ID}`);
for (;;) {
  await sleep(1000 * (await readOnce(client, SECRET_NAME)));
}
