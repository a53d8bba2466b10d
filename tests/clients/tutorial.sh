#!/usr/bin/env bash
# The tutorial by hand, brought up to date, with nothing but az, kubectl and helm:
#   python -m simulator --weather calm -- bash tests/clients/tutorial.sh
# What it leaves has the names of deployments/demo/fleet.yaml.
set -euo pipefail

SUBSCRIPTION_NAME="Visual Studio Premium with MSDN"
LOCATION="westeurope"
AKS_CLUSTER_RESOURCE_GROUP="sysadminas-aks"
AKS_CLUSTER_NAME="sysadminas"
KEYVAULT_NAME="sysadminas-demo-kv"
KEYVAULT_SECRET_NAME="sysadminas-demo-kv-secret"
KEYVAULT_SECRET_VALUE="${KEYVAULT_SECRET_VALUE:-sysadminas-demo-kv-secret-value}"
AZURE_AD_APPLICATION_NAME="sysadminas-aad-workload-identity-demo-app"
NAMESPACE="sysadminas-demo"
SERVICE_ACCOUNT_NAME="sysadminas-demo-sa"
AKS_SERVER_APPLICATION="6dae42f8-4368-4678-94ff-3960e28e3630"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export AZURE_CONFIG_DIR="$work/azure" AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_OUTPUT=tsv KUBECONFIG="$work/kubeconfig"
export HELM_CONFIG_HOME="$work/helm/config" HELM_CACHE_HOME="$work/helm/cache" HELM_DATA_HOME="$work/helm/data"
say() { echo "== $*"; }

say "Sign in as the operator"
az login --service-principal --username "$AZURE_CLIENT_ID" --password "$AZURE_CLIENT_SECRET" \
    --tenant "$AZURE_TENANT_ID" --query '[].name'
az account set --subscription "$SUBSCRIPTION_NAME"

say "The preview feature, and the provider refreshed"
az feature register --name EnableOIDCIssuerPreview --namespace Microsoft.ContainerService --query properties.state
state=""
for _ in $(seq 60); do
    state=$(az feature show --name EnableOIDCIssuerPreview --namespace Microsoft.ContainerService --query properties.state)
    [ "$state" != Registering ] && break
done
[ "$state" = Registered ]
az provider register --namespace Microsoft.ContainerService --wait

say "The cluster's issuer"
az aks update -n "$AKS_CLUSTER_NAME" -g "$AKS_CLUSTER_RESOURCE_GROUP" --enable-oidc-issuer --query provisioningState
CLUSTER_ISSUER_URL=$(az aks show -n "$AKS_CLUSTER_NAME" -g "$AKS_CLUSTER_RESOURCE_GROUP" --query oidcIssuerProfile.issuerUrl)

say "The vault and its secret"
az keyvault create --name "$KEYVAULT_NAME" -g "$AKS_CLUSTER_RESOURCE_GROUP" --location "$LOCATION" \
    --enable-rbac-authorization false --query properties.vaultUri
az keyvault secret set --name "$KEYVAULT_SECRET_NAME" --vault-name "$KEYVAULT_NAME" --value "$KEYVAULT_SECRET_VALUE" \
    --query id

say "The application, and what it may do"
AZURE_AD_APP_ID=$(az ad app create --display-name "$AZURE_AD_APPLICATION_NAME" --sign-in-audience AzureADMyOrg --query appId)
az ad sp create --id "$AZURE_AD_APP_ID" --query servicePrincipalType
[ "$(az ad sp list --display-name "$AZURE_AD_APPLICATION_NAME" --query '[].appId')" = "$AZURE_AD_APP_ID" ]
AZURE_AD_APP_OBJECT_ID=$(az ad app list --display-name "$AZURE_AD_APPLICATION_NAME" --query '[].id')
KEYVAULT_ID=$(az keyvault show --name "$KEYVAULT_NAME" -g "$AKS_CLUSTER_RESOURCE_GROUP" --query id)
az role assignment create --role Reader --assignee "$AZURE_AD_APP_ID" --scope "$KEYVAULT_ID" --query principalType
az keyvault set-policy -n "$KEYVAULT_NAME" --spn "$AZURE_AD_APP_ID" --secret-permissions get --query name

say "Whom it trusts"
cat > "$work/credential.json" <<EOF
{
  "name": "kubernetes-federated-credential",
  "issuer": "$CLUSTER_ISSUER_URL",
  "subject": "system:serviceaccount:$NAMESPACE:$SERVICE_ACCOUNT_NAME",
  "description": "Kubernetes service account federated credential",
  "audiences": ["api://AzureADTokenExchange"]
}
EOF
az ad app federated-credential create --id "$AZURE_AD_APP_OBJECT_ID" --parameters "@$work/credential.json" --query subject

say "Into the cluster, by a token of Entra as kubelogin would fetch it"
az aks get-credentials -n "$AKS_CLUSTER_NAME" -g "$AKS_CLUSTER_RESOURCE_GROUP" --file "$KUBECONFIG"
kubectl config set-credentials operator > /dev/null \
    --token "$(az account get-access-token --resource "$AKS_SERVER_APPLICATION" --query accessToken)"
kubectl config set-context --current --user operator

say "The webhook"
helm repo add azure-workload-identity https://azure.github.io/azure-workload-identity/charts
helm repo update
helm install workload-identity-webhook azure-workload-identity/workload-identity-webhook \
    --namespace azure-workload-identity-system --create-namespace --wait \
    --set azureTenantID="$(az account show --query tenantId)"

say "The workload"
kubectl create namespace "$NAMESPACE"
kubectl apply -f - <<EOF
apiVersion: v1
kind: ServiceAccount
metadata:
  name: $SERVICE_ACCOUNT_NAME
  namespace: $NAMESPACE
  annotations:
    azure.workload.identity/client-id: $AZURE_AD_APP_ID
EOF
kubectl apply -f - <<EOF
apiVersion: apps/v1
kind: Deployment
metadata:
  name: azure-wi-demo
  namespace: $NAMESPACE
  labels:
    app: azure-wi-demo
spec:
  replicas: 1
  selector:
    matchLabels:
      app: azure-wi-demo
  template:
    metadata:
      labels:
        app: azure-wi-demo
        azure.workload.identity/use: "true"
    spec:
      serviceAccountName: $SERVICE_ACCOUNT_NAME
      containers:
        - name: azure-wi-demo
          image: workload-identity-demo:1
          env:
            - {name: KEYVAULT_NAME, value: $KEYVAULT_NAME}
            - {name: SECRET_NAME, value: $KEYVAULT_SECRET_NAME}
EOF
kubectl -n "$NAMESPACE" rollout status deployment/azure-wi-demo --timeout 60s
kubectl -n "$NAMESPACE" wait --for condition=Ready pod -l app=azure-wi-demo --timeout 60s
for _ in $(seq 100); do
    log=$(kubectl -n "$NAMESPACE" logs deployment/azure-wi-demo)
    [[ "$log" == *"read secret '$KEYVAULT_SECRET_NAME'"* ]] && break
done
grep -m 1 "read secret '$KEYVAULT_SECRET_NAME'" <<< "$log"

say "By hand what the pod does: its token, exchanged, reads the secret"
AZURE_FEDERATED_TOKEN=$(kubectl -n "$NAMESPACE" create token "$SERVICE_ACCOUNT_NAME" --audience api://AzureADTokenExchange)
az login --service-principal --username "$AZURE_AD_APP_ID" --tenant "$AZURE_TENANT_ID" \
    --federated-token "$AZURE_FEDERATED_TOKEN" --query '[].user.type'
az keyvault list --query '[].name'
[ "$(az keyvault secret show --vault-name "$KEYVAULT_NAME" --name "$KEYVAULT_SECRET_NAME" --query value)" = "$KEYVAULT_SECRET_VALUE" ]
say "The secret was read as $SERVICE_ACCOUNT_NAME of $NAMESPACE"
