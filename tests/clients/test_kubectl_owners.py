"""kubectl on owners of pods and on kinds of others: rollouts, budgets, Jobs, and definitions that it waits for."""

from __future__ import annotations

import pytest

from tests.clients.story import Row, tell
from tests.clients.terminal import Terminal

pytestmark = pytest.mark.clients

RESTARTED = "kubectl.kubernetes.io/restartedAt"


def owner(kind: str, *more: str) -> str:
    """A manifest."""
    return f"""
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, namespace: owned}}
spec:
  selector: {{matchLabels: {{app: {kind.lower()}}}}}
  template:
    metadata: {{labels: {{app: {kind.lower()}}}}}
    spec: {{containers: [{{name: web, image: "nginx:1"}}]}}
{"".join(f"  {line}" for line in more)}
"""


def rollout(kind: str) -> tuple[Row, ...]:
    """It is waited for, restarted, and waited for again."""
    resource = f"{kind.lower()}/web"
    return (
        Row(f"kubectl -n owned rollout status {resource} --timeout 60s", says="(successfully rolled out|complete)"),
        Row(f"kubectl -n owned rollout restart {resource}", says=f"{kind.lower()}.apps/web restarted"),
        Row(f"kubectl -n owned rollout status {resource} --timeout 60s", says="(successfully rolled out|complete)"),
        Row(f"kubectl -n owned get pods -l app={kind.lower()} -o json", says=RESTARTED),
    )


DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  scope: Namespaced
  names: {plural: things, singular: thing, kind: Thing, listKind: ThingList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
POD = "{metadata: {labels: {app: once}}, spec: {restartPolicy: Never, containers: [{name: main, image: 'nginx:1'}]}}"
JOB = f"""
apiVersion: batch/v1
kind: Job
metadata: {{name: once, namespace: owned}}
spec: {{template: {POD}}}
"""
CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: old, namespace: owned}
spec: {template: {metadata: {labels: {app: old}}, spec: {containers: [{name: main, image: "nginx:1"}]}}}
"""
DONE = '{"status": {"phase": "Succeeded"}}'
LABELLED = '{"spec": {"template": {"metadata": {"labels": {"app": "other"}}}}}'

STORIES: dict[str, tuple[Row, ...]] = {
    "StatefulSet": (
        Row("kubectl create namespace owned"),
        Row("kubectl apply -f -", given=owner("StatefulSet", "replicas: 2\n", "serviceName: web\n"), says="created"),
        *rollout("StatefulSet"),
        Row("kubectl -n owned get statefulset web", says=r"web +2/2 "),
        Row("kubectl -n owned get pods -o name", says="^pod/web-0\npod/web-1\n$"),
        Row("kubectl -n owned create pdb web --selector app=statefulset --max-unavailable 50%", says="created"),
        Row("kubectl -n owned wait pdb/web --for condition=DisruptionAllowed --timeout 20s", says="condition met"),
        Row("kubectl -n owned get pdb web", says=r"web +N/A +50% +1 "),
        Row("kubectl -n owned scale statefulset web --replicas 1", says="scaled"),
        Row("kubectl -n owned wait pod/web-1 --for delete --timeout 20s"),
        Row("kubectl delete namespace owned", says="deleted"),
    ),
    "DaemonSet": (
        Row("kubectl create namespace owned"),
        Row("kubectl apply -f -", given=owner("DaemonSet"), says="created"),
        *rollout("DaemonSet"),
        Row("kubectl -n owned get daemonset web", says=r"web +1 +1 +1 +1 +1 +<none> "),
        Row("kubectl -n owned delete daemonset web", says="deleted"),
        Row("kubectl -n owned wait pod --selector app=daemonset --for delete --timeout 20s"),
        Row("kubectl delete namespace owned", says="deleted"),
    ),
    "Job": (
        Row("kubectl create namespace owned"),
        Row("kubectl apply -f -", given=JOB, says="created"),
        Row("kubectl -n owned wait job/once --for jsonpath={.status.active}=1 --timeout 20s", says="condition met"),
        Row(
            "kubectl -n owned get job once -o json",
            [1, 1, 6, "NonIndexed", False, "ClusterFirst"],
            at=(
                "spec.completions",
                "spec.parallelism",
                "spec.backoffLimit",
                "spec.completionMode",
                "spec.suspend",
                "spec.template.spec.dnsPolicy",
            ),
        ),
        Row(f"kubectl -n owned patch job once --type merge -p '{LABELLED}'", says="field is immutable", code=1),
        Row("""kubectl -n owned get pods -l app=once -o jsonpath='"{.items[0].metadata.name}"'""", keep="pod"),
        Row(f"kubectl -n owned patch pod $pod --subresource status --type merge -p '{DONE}'", says="patched"),
        Row("kubectl -n owned wait job/once --for condition=complete --timeout 20s", says="condition met"),
        Row("kubectl delete namespace owned", says="deleted"),
    ),
    "ReplicationController": (
        Row("kubectl create namespace owned"),
        Row("kubectl apply -f -", given=CONTROLLER, says="created"),
        Row("kubectl -n owned wait rc/old --for jsonpath={.status.readyReplicas}=1 --timeout 20s", says="met"),
        Row("kubectl -n owned get rc old -o json", [1, {"app": "old"}], at=("spec.replicas", "spec.selector")),
        Row("kubectl delete namespace owned", says="deleted"),
    ),
    "custom": (
        Row("kubectl create namespace owned"),
        Row("kubectl apply -f -", given=DEFINITION, says="created"),
        Row("kubectl wait crd/things.example.org --for condition=established --timeout 20s", says="condition met"),
        Row(
            "kubectl apply -f -",
            given="{apiVersion: example.org/v1, kind: Thing, metadata: {name: one, namespace: owned}}",
            says="thing.example.org/one created",
        ),
        Row(
            """kubectl -n owned patch thing one --type strategic -p '{"spec": {}}'""",
            says="body of the request was in an unknown format - accepted media types include",
            code=1,
        ),
        Row("kubectl delete crd things.example.org", says="deleted"),
        Row("kubectl get things -A", says="could not find the requested resource|doesn't have a resource type", code=1),
        Row("kubectl delete namespace owned", says="deleted"),
    ),
}


@pytest.mark.parametrize("story", STORIES)
def test_owners_are_restarted_and_waited_for_as_in_a_real_cluster(inside: Terminal, story: str) -> None:
    tell(inside, STORIES[story])
