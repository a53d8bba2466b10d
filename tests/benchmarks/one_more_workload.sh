#!/usr/bin/env bash
# After the tutorial's script, by the same hand: COUNT more workloads, each with an identity, a grant, a federated
# credential, a namespace and an annotated ServiceAccount of its own.
set -euo pipefail

count=$1
GROUP="sysadminas-aks" CLUSTER="sysadminas" VAULT="sysadminas-demo-kv"
AKS_SERVER_APPLICATION="6dae42f8-4368-4678-94ff-3960e28e3630"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZURE_CONFIG_DIR="$work/azure" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_OUTPUT=tsv KUBECONFIG="$work/kubeconfig"

az login --service-principal --username "$AZURE_CLIENT_ID" --password "$AZURE_CLIENT_SECRET" \
    --tenant "$AZURE_TENANT_ID" --query '[].name'
az account set --subscription "Visual Studio Premium with MSDN"
az aks get-credentials -n "$CLUSTER" -g "$GROUP" --file "$KUBECONFIG"
kubectl config set-credentials operator > /dev/null \
    --token "$(az account get-access-token --resource "$AKS_SERVER_APPLICATION" --query accessToken)"
kubectl config set-context --current --user operator

for number in $(seq "$count"); do
    name="app-$number"
    app_id=$(az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId)
    az ad sp create --id "$app_id" --query servicePrincipalType
    object_id=$(az ad app list --display-name "$name" --query '[].id')
    vault_id=$(az keyvault show --name "$VAULT" -g "$GROUP" --query id)
    az role assignment create --role Reader --assignee "$app_id" --scope "$vault_id" --query principalType
    az keyvault set-policy -n "$VAULT" --spn "$app_id" --secret-permissions get --query name
    issuer=$(az aks show -n "$CLUSTER" -g "$GROUP" --query oidcIssuerProfile.issuerUrl)
    cat > "$work/credential.json" << END
{"name": "$name", "issuer": "$issuer", "subject": "system:serviceaccount:$name:app", "audiences": ["api://AzureADTokenExchange"]}
END
    az ad app federated-credential create --id "$object_id" --parameters "@$work/credential.json" --query subject
    kubectl create namespace "$name"
    kubectl apply -f - << END
apiVersion: v1
kind: ServiceAccount
metadata: {name: app, namespace: $name, annotations: {azure.workload.identity/client-id: $app_id}}
END
    token=$(kubectl -n "$name" create token app --audience api://AzureADTokenExchange)
    AZURE_CONFIG_DIR="$work/$name" az login --service-principal --username "$app_id" --tenant "$AZURE_TENANT_ID" \
        --federated-token "$token" --query '[].user.type'
    AZURE_CONFIG_DIR="$work/$name" az keyvault secret show --vault-name "$VAULT" --name "$VAULT-secret" --query id
done
