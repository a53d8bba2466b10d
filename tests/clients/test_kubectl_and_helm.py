"""kubectl and helm, unmodified: what is typed, and what must be true of the answer."""

from __future__ import annotations

import pytest

from tests.clients.story import Row, tell
from tests.clients.terminal import Terminal

pytestmark = pytest.mark.clients

CHART = "hook/workload-identity-webhook -n hook --version 1.6.0"


def config_map(value: str) -> str:
    """A manifest."""
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one, namespace: applied}}\ndata: {{key: '{value}'}}\n"


WORKLOAD = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: demo, namespace: within, annotations: {azure.workload.identity/client-id: c1}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: demo, namespace: within}
spec:
  selector: {matchLabels: {app: demo}}
  template:
    metadata: {labels: {app: demo, azure.workload.identity/use: "true"}}
    spec:
      serviceAccountName: demo
      containers:
      - name: demo
        image: workload-identity-demo:1
        env:
        - {name: KEYVAULT_URL, value: "https://none.vault.azure.net"}
        - {name: SECRET_NAME, value: none}
      - {name: other, image: "nginx:1"}
"""


def deployment(image: str, volume: str) -> str:
    """A manifest that gives one container one volume."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: merged}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers: [{{name: web, image: "{image}"}}]
      volumes: [{{name: data, {volume}}}]
"""


EXEC = "kubectl -n within exec deploy/demo -c demo"
SERVER_SIDE = "kubectl apply -f - --server-side --field-manager"
STORIES: dict[str, tuple[Row, ...]] = {
    "objects": (
        Row("kubectl create namespace seen", says="namespace/seen created"),
        Row("kubectl get namespace seen -o wide", says=r"NAME +STATUS +AGE\nseen +Active"),
        Row("kubectl -n seen create serviceaccount one", says="serviceaccount/one created"),
        Row("kubectl -n seen get serviceaccounts -o name", says="serviceaccount/default\nserviceaccount/one"),
        Row("kubectl -n seen annotate serviceaccount one a=b", says="annotated"),
        Row("kubectl -n seen annotate serviceaccount one a=c", code=1, says="already has a value"),
        Row("kubectl -n seen label serviceaccount one x=y", says="labeled"),
        Row('kubectl -n seen patch serviceaccount one --type merge -p \'{"metadata":{"annotations":null}}\''),
        Row(
            "kubectl -n seen patch serviceaccount one --type json "
            '-p \'[{"op":"add","path":"/metadata/labels/j","value":"1"}]\''
        ),
        Row('kubectl -n seen patch serviceaccount one --type strategic -p \'{"imagePullSecrets":[{"name":"r"}]}\''),
        Row(
            "kubectl -n seen get serviceaccount one -o json",
            [{"j": "1", "x": "y"}, "r"],
            at=("metadata.labels", "imagePullSecrets.0.name"),
        ),
        Row(
            "kubectl -n seen create token one --audience api://AzureADTokenExchange",
            says=r"^eyJ[\w-]+\.[\w-]+\.[\w-]+$",
        ),
        Row("kubectl -n seen create token one --duration 1s", code=1, says="less than 10 minutes"),
        Row("kubectl -n seen delete serviceaccount one", says='serviceaccount "one" deleted'),
        Row("kubectl -n seen get serviceaccount one", code=1, says=r"\(NotFound\)"),
        Row("kubectl delete namespace seen", says='namespace "seen" deleted'),
        Row("kubectl wait --for delete namespace/seen --timeout 20s"),
    ),
    "apply": (
        Row("kubectl create namespace applied"),
        Row("kubectl apply -f -", given=config_map("one"), says="configmap/one created"),
        Row("kubectl apply -f -", given=config_map("one"), says="configmap/one unchanged"),
        Row("kubectl apply -f -", given=config_map("two"), says="configmap/one configured"),
        Row("kubectl apply -f - --dry-run=server", given=config_map("three"), says="server dry run"),
        Row("kubectl -n applied get configmap one -o jsonpath={.data.key}", says="^two$"),
        Row("kubectl -n applied delete configmap one"),
        Row(f"{SERVER_SIDE} alice", given=config_map("hers"), says="serverside-applied"),
        Row(f"{SERVER_SIDE} bob", given=config_map("his"), code=1, says='conflict with "alice": .data.key'),
        Row(f"{SERVER_SIDE} bob --force-conflicts", given=config_map("his"), says="serverside-applied"),
        Row("kubectl -n applied get configmap one -o jsonpath={.data.key}", says="^his$"),
        Row("kubectl -n applied create configmap two --from-literal key=made"),
        Row(
            f"{SERVER_SIDE} bob",
            given=config_map("his").replace("name: one", "name: two"),
            code=1,
            says='conflict with "kubectl-create" using v1: .data.key',
        ),
    ),
    "explain": (
        Row(
            "kubectl explain serviceaccount.metadata",
            says=r"KIND: +ServiceAccount\nVERSION: +v1\n\nFIELD: metadata <Obj",
        ),
        Row("kubectl explain serviceaccount.metadata", says=r"ownerReferences\t<\[\]OwnerReference>"),
        Row("kubectl explain serviceaccount.secrets", says=r"FIELD: secrets <\[\]ObjectReference>"),
        Row("kubectl explain deployment", says=r"GROUP: +apps\nKIND: +Deployment\nVERSION: +v1"),
        Row("kubectl explain deployment --recursive", says=r"        limits\t<map\[string\]Quantity>"),
        Row("kubectl explain deployment.spec.strategy.rollingUpdate.maxSurge", says=r"maxSurge <IntOrString>"),
        Row(
            "kubectl explain pods.spec.volumes.projected.sources.serviceAccountToken.audience", says="audience <string>"
        ),
        Row("kubectl explain mutatingwebhookconfigurations.webhooks", says=r"webhooks <\[\]MutatingWebhook>"),
        Row("kubectl explain serviceaccount.nonsense", code=1, says='field "nonsense" does not exist'),
    ),
    "diff": (
        Row("kubectl create namespace merged"),
        Row("kubectl diff -f -", given=deployment("nginx:1", "emptyDir: {}"), code=1, says=r"\n\+ +- image: nginx:1"),
        Row("kubectl apply -f -", given=deployment("nginx:1", "emptyDir: {}"), says="created"),
        Row("kubectl diff -f -", given=deployment("nginx:1", "emptyDir: {}"), says="^$"),
        Row(
            "kubectl diff -f -",
            given=deployment("nginx:2", "emptyDir: {}"),
            code=1,
            says=r"\n-.*image: nginx:1\n\+.*image: nginx:2",
        ),
        Row("kubectl diff --server-side -f -", given=deployment("nginx:1", "emptyDir: {}")),
        Row("kubectl diff --server-side --force-conflicts -f -", given=deployment("nginx:2", "emptyDir: {}"), code=1),
        Row(
            "kubectl -n merged patch deployment web "
            '-p \'{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}\''
        ),
        Row("kubectl apply -f -", given=deployment("nginx:2", "configMap: {name: c}"), says="configured"),
        Row(
            "kubectl -n merged get deployment web -o jsonpath={.spec.template.spec.containers[*].image}",
            says=r"^side:1 nginx:2$",
        ),
        Row(
            "kubectl -n merged get deployment web -o jsonpath={.spec.template.spec.volumes}",
            [{"name": "data", "configMap": {"name": "c", "defaultMode": 420}}],
        ),
    ),
    "deployment": (
        Row("kubectl create namespace deployed"),
        Row("kubectl -n deployed create deployment web --image nginx:1", says="deployment.apps/web created"),
        Row("kubectl -n deployed rollout status deployment/web --timeout 30s", says="successfully rolled out"),
        Row("kubectl -n deployed wait deployment/web --for condition=Available --timeout 30s", says="condition met"),
        Row("kubectl -n deployed get deployment web -o wide", says=r"web +1/1 +1 +1 .* nginx +nginx:1 +app=web"),
        Row("kubectl -n deployed get deployment web -o jsonpath={.spec.progressDeadlineSeconds}", says="^600$"),
        Row("kubectl -n deployed events --for deployment/web", says="ScalingReplicaSet .*Scaled up replica set web-"),
        Row("kubectl -n deployed scale deployment web --replicas 2", says="scaled"),
        Row("kubectl -n deployed delete deployment web", says='deployment.apps "web" deleted'),
        Row("kubectl -n deployed wait pod --selector app=web --for delete --timeout 20s"),
    ),
    "helm": (
        Row("helm repo add hook https://azure.github.io/azure-workload-identity/charts", says="has been added"),
        Row(f"helm install hook {CHART} --create-namespace --set azureTenantID=t1 --wait", says="STATUS: deployed"),
        Row(f"helm install hook {CHART} --set azureTenantID=t1", code=1, says="cannot reuse a name"),
        Row("helm list -A -o json", ["hook", "1", "deployed"], at=("0.name", "0.revision", "0.status")),
        Row(f"helm upgrade hook {CHART} --set azureTenantID=t2", says="has been upgraded"),
        Row("helm status hook -n hook -o json", [2, "deployed"], at=("version", "info.status")),
        Row("helm get values hook -n hook -o json", {"azureTenantID": "t2"}),
        Row("helm rollback hook 1 -n hook", says="Rollback was a success"),
        Row("helm get values hook -n hook -o json", {"azureTenantID": "t1"}),
        Row("helm uninstall hook -n hook", says='release "hook" uninstalled'),
        Row("helm list -A -o json", []),
        Row("helm uninstall hook -n hook", code=1, says="not found"),
    ),
    "exec": (
        Row("helm repo add hook https://azure.github.io/azure-workload-identity/charts"),
        Row(f"helm install hook {CHART} --create-namespace --set azureTenantID=$AZURE_TENANT_ID --wait"),
        Row("kubectl create namespace within"),
        Row("kubectl apply -f -", given=WORKLOAD, says="deployment.apps/demo created"),
        Row("kubectl -n within rollout status deployment/demo --timeout 60s", says="successfully rolled out"),
        Row(f"{EXEC} -- printenv AZURE_FEDERATED_TOKEN_FILE", says="/azure/wi/token/azure-identity-token\n$"),
        Row(f"{EXEC} -- sh -c 'cat $$AZURE_FEDERATED_TOKEN_FILE'", says=r"^eyJ[\w-]+\.[\w-]+\.[\w-]+$"),
        Row(f"{EXEC} -- cat /var/run/secrets/azure/wi/token/azure-identity-token", says=r"^eyJ[\w-]+\.[\w-]+\.[\w-]+$"),
        Row("kubectl -n within exec deploy/demo -- true", says=r'Defaulted container "demo" out of: demo, other'),
        Row(f"{EXEC} -- sh -c 'echo out; echo err >&2'", says="^out\nerr\n$"),
        Row(f"{EXEC} -i -- cat", given="some\ndata\n", says="^some\ndata\n$"),
        Row(f"{EXEC} -i -- wc -c", given="x" * 100_000, says="^100000\n$"),
        Row(f"{EXEC} -- sh -c 'exit 3'", code=3, says="command terminated with exit code 3"),
        Row(f"{EXEC} -- nothing", code=1, says=r'exec: "nothing": executable file not found in \$PATH'),
        Row("kubectl -n within exec deploy/demo -c other -- sh", code=1, says=r"executable file not found in \$PATH"),
        Row(
            "kubectl -n within exec deploy/demo -c none -- true", code=1, says=r"\(BadRequest\): container none is not"
        ),
        Row("kubectl -n within exec none -- true", code=1, says=r'\(NotFound\): pods "none" not found'),
        Row("helm uninstall hook -n hook"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_kubectl_and_helm_are_answered_as_by_a_real_cluster(inside: Terminal, story: str) -> None:
    tell(inside, STORIES[story])
