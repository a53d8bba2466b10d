"""kubectl beyond the chain: tokens, refusals, pods and their logs, a webhook that is away."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.clients.story import Row, tell
from tests.clients.terminal import Terminal

pytestmark = pytest.mark.clients

CHART = "hook/workload-identity-webhook -n hook --version 1.6.0"
NEW_REPOSITORY = Row("helm repo add hook https://azure.github.io/azure-workload-identity/charts")
NEW_WEBHOOK = Row(f"helm install hook {CHART} --create-namespace --set azureTenantID=$AZURE_TENANT_ID --wait")
PROXIED_TOKENS = (
    "--set customTokenEndpoint.annotationSuffix=proxied --set customTokenEndpoint.audience=api://elsewhere "
    "--set customTokenEndpoint.azureKubernetesTokenProxy=https://proxy.example"
)
WEBHOOK = "kubectl -n hook scale deployment azure-wi-webhook-controller-manager"
TOKEN_TYPE = "kubernetes.io/service-account-token"


def secret(namespace: str, name: str, annotations: str = "", kind: str = "Opaque") -> str:
    """A manifest."""
    return f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}, annotations: {{{annotations}}}}}
type: {kind}
"""


def pod(namespace: str, name: str, *command: str, rest: str = "", metadata: str = "") -> str:
    """A manifest of one container, which runs a command where there is one."""
    image = "workload-identity-demo:1" if command else "nginx:1"
    return f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, {metadata}}}
spec:
  containers: [{{name: main, image: "{image}", command: {list(command)}}}]
  {rest}
"""


def deployment(namespace: str, template: str = "", selector: str = "matchLabels: {app: web}") -> str:
    """A manifest of one pod."""
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: {namespace}}}
spec:
  selector: {{{selector}}}
  template:
    metadata: {{labels: {{app: web, {template}}}}}
    spec: {{containers: [{{name: web, image: "nginx:1"}}]}}
"""


BINDING = """
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: astray, namespace: refused}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ServiceAccount, name: default}
"""
UNKNOWN_AUTHORITY = '[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": "bm90IGl0"}]'
DEAF = ("sh", "-c", "trap : TERM; while :; do sleep 0.2; done")
"""A command that does not end when it is asked to."""
LABELLED = pod("away", "first", metadata="labels: {azure.workload.identity/use: 'true'}")
LOGGED_OUT = r"must be logged in|\(Unauthorized\)|provide credentials"
STORIES: dict[str, tuple[Row, ...]] = {
    "token Secret": (
        Row("kubectl create namespace held"),
        Row("kubectl -n held create serviceaccount wi"),
        Row(
            "kubectl apply -f -",
            given=secret("held", "nameless", kind=TOKEN_TYPE),
            code=1,
            says=r"metadata.annotations\[kubernetes.io/service-account.name\]: Required value",
        ),
        Row(
            "kubectl apply -f -",
            given=secret("held", "token", "kubernetes.io/service-account.name: wi", TOKEN_TYPE),
            says="secret/token created",
        ),
        Row("kubectl -n held wait secret/token --for jsonpath={.data.token} --timeout 20s", says="condition met"),
        Row("kubectl -n held get secret token -o go-template='\"{{.data.token | base64decode}}\"'", keep="token"),
        Row("kubectl config set-credentials of-secret --token $token"),
        Row("kubectl --user of-secret auth whoami", says="system:serviceaccount:held:wi"),
        Row("kubectl --user of-secret -n held get secrets", code=1, says=r"\(Forbidden\): .* cannot list resource"),
        Row("kubectl -n held delete serviceaccount wi"),
        Row("kubectl -n held wait secret/token --for delete --timeout 20s"),
        Row("kubectl --user of-secret auth whoami", code=1, says=LOGGED_OUT),
    ),
    "bound token": (
        Row("kubectl create namespace bound"),
        Row("kubectl -n bound create serviceaccount wi"),
        Row("kubectl apply -f -", given=secret("bound", "holder")),
        Row(
            "kubectl -n bound create token wi --bound-object-kind Secret --bound-object-name holder "
            "-o jsonpath='\"{.status.token}\"'",
            keep="of_secret",
        ),
        Row("kubectl -n bound create token wi -o jsonpath='\"{.status.token}\"'", keep="of_account"),
        Row("kubectl config set-credentials of-holder --token $of_secret"),
        Row("kubectl config set-credentials of-account --token $of_account"),
        Row("kubectl -n bound delete secret holder"),
        Row("kubectl --user of-holder auth whoami", code=1, says=LOGGED_OUT),
        Row("kubectl --user of-account auth whoami", says="system:serviceaccount:bound:wi"),
        Row("kubectl -n bound delete serviceaccount wi"),
        Row("kubectl --user of-account auth whoami", code=1, says=LOGGED_OUT),
        Row(
            "kubectl create -f - -o json --show-managed-fields --validate=false",
            given="apiVersion: authentication.k8s.io/v1\nkind: TokenReview\nspec: {token: none}\n",
            answer=["kubectl-create", {"token": "none"}],
            at=("metadata.managedFields.0.manager", "spec"),
        ),
    ),
    "raw paths": (
        Row("kubectl get --raw /readyz?verbose", says="readyz check passed"),
        Row("kubectl get --raw /healthz", says="^ok$"),
        Row("kubectl get --raw /healthz/", code=1, says=r"\(NotFound\): the server could not find the requested"),
        Row("kubectl get --raw /apis/cert-manager.io/v1", code=1, says=r"\(NotFound\): the server could not"),
        Row("kubectl get --raw /.well-known/openid-configuration", says='"jwks_uri":"https://'),
        Row("kubectl get --raw /openid/v1/jwks", says=r'"kty":"RSA","kid":"[\w-]{43}"'),
        Row("kubectl get namespaces -v=8", says="Audit-Id: .*"),
        Row("kubectl create namespace raw"),
        Row("kubectl apply -f -", given=secret("raw", "ordered")),
        Row(  # as text it can be compared with what a real cluster has written
            "kubectl get --raw /api/v1/namespaces/raw/secrets/ordered",
            says=r'^\{"kind":"Secret","apiVersion":"v1","metadata":\{"name":"ordered","namespace":"raw","uid":',
        ),
    ),
    "refusals": (
        Row("kubectl create namespace refused"),
        Row("kubectl apply -f -", given=deployment("refused")),
        Row(
            "kubectl replace -f -",
            given=deployment("refused").replace("{name: web, n", "{name: web, resourceVersion: '1', n"),
            code=1,
            says=r"\(Conflict\): .*the object has been modified; please apply your changes to the latest version",
        ),
        Row(
            'kubectl -n refused patch deployment web -p \'{"spec":{"strategy":{"$retainKeys":"type"}}}\'',
            code=1,
            says=r"\(BadRequest\): invalid strategic merge patch: \$retainKeys has a value of the wrong type",
        ),
        Row(
            'kubectl -n refused patch deployment web --type merge -p \'{"spec":{"replicas":"many"}}\'',
            code=1,
            says=r'patch: Invalid value: "\{.*many.*: json: cannot unmarshal string into .*replicas of type int32',
        ),
        Row(
            "kubectl create -f -",
            given=deployment("refused", selector="matchExpressions: [{key: app, operator: Near, values: [web]}]"),
            code=1,
            says='operator: Invalid value: "Near": not a valid selector operator',
        ),
        Row(
            "kubectl create -f -",
            given="apiVersion: v1\nkind: Endpoints\nmetadata: {name: here, namespace: refused}\n"
            "subsets: [{addresses: [{ip: here}]}]\n",
            code=1,
            says=r'subsets\[0\].addresses\[0\].ip: Invalid value: "here"',
        ),
        Row(
            "kubectl create -f -",
            given=pod("refused", "windows", rest="os: {name: windows}\n  securityContext: {runAsUser: 1}"),
            code=1,
            says="spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
        ),
        Row(
            "kubectl create -f -",
            given=BINDING,
            code=1,
            says='roleRef.kind: Unsupported value: "ServiceAccount": supported values: "Role", "ClusterRole"',
        ),
        Row(
            "kubectl apply -f - --server-side --validate=false",
            given=pod("refused", "of-nameless").replace("name: main, ", ""),
            code=1,
            says=r'element 0: associative list with keys has an element that omits key field "name"',
        ),
    ),
    "what is kept": (
        Row("kubectl create namespace kept"),
        Row(
            "kubectl create -f - -o jsonpath={.status.phase}/{.status.qosClass}",
            given=pod("kept", "plain"),
            says="^Pending/BestEffort$",
        ),
        Row("kubectl -n kept get pod plain -o jsonpath={.spec.containers[0].command}", says="^$"),
        Row("kubectl -n kept create service clusterip front --tcp 80"),
        Row("kubectl -n kept get service front -o jsonpath={.spec.clusterIP}", says=r"^10\.0\.\d+\.\d+$"),
        Row(
            "kubectl create -f -",
            given=pod("kept", "owned", metadata="ownerReferences: [{apiVersion: v1, kind: Pod, name: plain, uid: ''}]"),
            code=1,
            says='metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        ),
        Row(
            "kubectl create -f -",
            given=pod(
                "kept",
                "pathless",
                rest="volumes: [{name: files, configMap: {name: none, items: [{key: one, path: ''}]}}]",
            ),
            code=1,
            says=r"spec.volumes\[0\].configMap.items\[0\].path: Required value",
        ),
        Row(
            "kubectl apply -f - --server-side --validate=false",
            given=secret("kept", "misspelt") + "tpye: Opaque\n",
            code=1,
            says=r"\.tpye: field not declared in schema",
        ),
        Row("kubectl get --raw /apis/apps/v1/nothing", code=1, says=r"\(NotFound\): the server could not find the req"),
        Row("kubectl create -f -", given=pod("kept", "lingers", *DEAF, rest="terminationGracePeriodSeconds: 3000")),
        Row("kubectl -n kept wait pod/lingers --for condition=Ready --timeout 30s"),
        Row("kubectl -n kept delete pod lingers --wait=false"),
        Row("kubectl -n kept get pod lingers", says=r"lingers +1/1 +Terminating"),
        Row("kubectl -n kept delete pod lingers --force --grace-period 0"),
        Row(
            "kubectl create -f -",
            given=pod("kept", "urgent", rest="priorityClassName: none"),
            code=1,
            says=r"\(Forbidden\): .*no PriorityClass with name none was found",
        ),
        Row("kubectl -n kept create serviceaccount Two", code=1, says='metadata.name: Invalid value: "Two"'),
        Row("kubectl -n nowhere create serviceaccount one", code=1, says='namespaces "nowhere" not found'),
        Row(
            "kubectl create -f -",
            given=pod("kept", "of-nobody", rest="serviceAccountName: nobody"),
            code=1,
            says='error looking up service account kept/nobody: serviceaccount "nobody" not found',
        ),
        Row(
            "kubectl create -f - --validate=false",
            given=pod("kept", "lasting", rest="activeDeadlineSeconds: long"),
            code=1,
            says=r"\(BadRequest\): .*json: cannot unmarshal string into Go struct field PodSpec",
        ),
    ),
    "endpoints of a service": (
        Row("kubectl create namespace served"),
        Row("kubectl create -f -", given=pod("served", "web", metadata="labels: {app: web}")),
        Row("kubectl -n served expose pod web --port 80"),
        Row(
            "kubectl -n served wait endpointslice -l kubernetes.io/service-name=web --timeout 20s "
            "--for jsonpath={.endpoints[0].conditions.ready}=true",
            says="condition met",
        ),
        Row("kubectl -n served get endpoints web", says=r"Warning: v1 Endpoints is deprecated in v1.33\+"),
    ),
    "logs": (
        Row("kubectl create namespace logged"),
        Row(
            "kubectl create -f -",
            given=pod("logged", "talks", "sh", "-c", "while :; do echo tick; sleep 0.2; done"),
        ),
        Row("kubectl -n logged wait pod/talks --for condition=Ready --timeout 30s"),
        Row("kubectl -n logged get pod talks", says=r"talks +1/1 +Running"),
        Row(
            "kubectl -n logged logs talks --previous",
            code=1,
            says='previous terminated container "main" in pod "talks" not found',
        ),
        Row("kubectl create -f -", given=pod("logged", "fails", "sh", "-c", "echo last words; exit 3")),
        Row(
            "kubectl -n logged wait pod/fails --timeout 30s "
            "--for jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff"
        ),
        Row("kubectl -n logged get pod fails", says="fails +0/1 +CrashLoopBackOff +[1-9]"),
        Row("kubectl -n logged logs fails --previous", says="^last words\n$"),
    ),
    "webhook whose authority nobody knows": (
        NEW_REPOSITORY,
        NEW_WEBHOOK,
        # It would make itself known again.
        Row("kubectl delete clusterrolebinding azure-wi-webhook-manager-rolebinding"),
        Row(
            "kubectl patch mutatingwebhookconfiguration azure-wi-webhook-mutating-webhook-configuration --type json "
            f"-p '{UNKNOWN_AUTHORITY}'"
        ),
        Row("kubectl -n hook wait pod --all --for condition=Ready=false --timeout 20s", says="condition met"),
        Row("helm uninstall hook -n hook"),
    ),
    "webhook away": (
        NEW_REPOSITORY,
        NEW_WEBHOOK,
        Row("kubectl create namespace away"),
        Row(f"{WEBHOOK} --replicas 0", says="scaled"),
        Row("kubectl -n hook wait pod --all --for delete --timeout 30s"),
        Row(
            "kubectl create -f -",
            given=LABELLED,
            code=1,
            says=r'failed calling webhook .* no endpoints available for service "azure-wi-webhook-webhook-service"',
        ),
        Row("kubectl apply -f -", given=deployment("away", "azure.workload.identity/use: 'true'")),
        Row("kubectl -n away wait deployment/web --for condition=ReplicaFailure --timeout 30s"),
        Row(f"{WEBHOOK} --replicas 2", says="scaled"),
        Row("kubectl -n away rollout status deployment/web --timeout 60s", says="successfully rolled out"),
        Row("kubectl -n hook delete service azure-wi-webhook-webhook-service"),
        Row(
            "kubectl create -f -",
            given=LABELLED,
            code=1,
            says=r'failed calling webhook .* service "azure-wi-webhook-webhook-service" not found',
        ),
        Row("helm uninstall hook -n hook"),
    ),
    "custom token endpoint": (
        NEW_REPOSITORY,
        Row(f"{NEW_WEBHOOK.command} {PROXIED_TOKENS}"),
        Row("kubectl create namespace elsewhere"),
        Row(
            "kubectl create -f - --dry-run=server -o "
            "jsonpath={.spec.containers[0].env[*].name}{.spec.volumes[*].projected.sources[*].serviceAccountToken}",
            given=pod(
                "elsewhere",
                "bound",
                metadata="labels: {azure.workload.identity/use: 'true'}, "
                "annotations: {azure.workload.identity/use-proxied: 'true'}",
            ),
            says='AZURE_KUBERNETES_TOKEN_PROXY.*"audience":"api://elsewhere"',
        ),
        Row("helm uninstall hook -n hook"),
    ),
    "proxy sidecar": (
        NEW_REPOSITORY,
        NEW_WEBHOOK,
        Row("kubectl create namespace proxied"),
        Row(
            "kubectl create -f - --dry-run=server -o json",
            given=pod(
                "proxied",
                "sidecar",
                metadata="labels: {azure.workload.identity/use: 'true'}, "
                "annotations: {azure.workload.identity/inject-proxy-sidecar: 'true'}",
            ),
            answer=["azwi-proxy", [{"containerPort": 8000, "protocol": "TCP"}], "azwi-proxy-init"],
            at=("spec.initContainers.0.name", "spec.initContainers.0.ports", "spec.initContainers.1.name"),
        ),
        Row(
            "kubectl create -f - --dry-run=server -o jsonpath={.spec.volumes[*].name}",
            given=pod("kube-system", "of-aks", metadata="labels: {azure.workload.identity/use: 'true'}"),
            says=r"^kube-api-access-\w+$",
        ),
        Row("helm uninstall hook -n hook"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_kubectl_is_answered_beyond_the_chain(inside: Terminal, story: str) -> None:
    tell(inside, STORIES[story])


def test_kubectl_attaches_to_what_a_container_prints(inside: Terminal) -> None:
    inside.succeeds("kubectl create namespace attached")
    talks = pod("attached", "talks", "sh", "-c", "while :; do echo tick; sleep 0.2; done")
    inside.succeeds("kubectl create -f -", given=talks)
    inside.succeeds("kubectl -n attached wait pod/talks --for condition=Ready --timeout 30s")
    inside.follows("kubectl -n attached attach talks", until="tick")


def test_a_pods_token_is_bound_to_it_and_renewed_before_it_ends(inside: Terminal) -> None:
    inside.succeeds("kubectl create namespace renewed")
    inside.succeeds("kubectl create -f -", given=pod("renewed", "lasting", *DEAF))
    inside.succeeds("kubectl -n renewed wait pod/lasting --for condition=Ready --timeout 30s")
    reading = "kubectl -n renewed exec lasting -- cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    first = inside.succeeds(reading).out
    middle = first.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    assert claims["kubernetes.io"]["pod"]["name"] == "lasting"
    assert [audience[:8] for audience in claims["aud"]] == ["https://"]
    inside.cloud.simulator.simulation.clock.step(3000)
    deadline = time.monotonic() + 15
    while inside.succeeds(reading).out == first:
        assert time.monotonic() < deadline, "the token has stayed the same"
        time.sleep(0.2)


SIDECARS = """
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: zz-sidecars}
webhooks:
- name: sidecars.example.org
  clientConfig: {service: {name: sidecars, namespace: meshed}}
  rules: [{operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}]
  objectSelector: {matchLabels: {mesh: "yes"}}
  admissionReviewVersions: [v1]
  sideEffects: None
"""


async def add_sidecar(review: dict[str, Any]) -> dict[str, Any]:
    """What a service mesh's webhook does."""
    operation = {"op": "add", "path": "/spec/containers/-", "value": {"name": "sidecar", "image": "nginx:1"}}
    patch = base64.b64encode(json.dumps([operation]).encode()).decode()
    return {"response": {"uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch", "patch": patch}}


def test_a_sidecar_that_another_webhook_adds_later_has_the_identity_too(inside: Terminal) -> None:
    tell(inside, [NEW_REPOSITORY, NEW_WEBHOOK, Row("kubectl create namespace meshed")])
    (cluster,) = inside.cloud.simulator.simulation.clusters.values()
    cluster.webhook_backends["meshed/sidecars"] = add_sidecar
    labels = "labels: {azure.workload.identity/use: 'true', mesh: 'yes'}"
    tell(
        inside,
        [
            Row("kubectl create -f -", given=SIDECARS),
            Row(
                "kubectl create -f - --dry-run=server -o jsonpath={.spec.containers[1].env[*].name}",
                given=pod("meshed", "with-sidecar", metadata=labels),
                says="AZURE_FEDERATED_TOKEN_FILE",
            ),
            Row("kubectl delete mutatingwebhookconfiguration zz-sidecars"),
            Row("helm uninstall hook -n hook"),
        ],
    )
