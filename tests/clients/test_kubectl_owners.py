"""kubectl on owners of pods: it restarts them, waits for their rollouts, and prints what budgets allow."""

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
}


@pytest.mark.parametrize("story", STORIES)
def test_owners_are_restarted_and_waited_for_as_in_a_real_cluster(inside: Terminal, story: str) -> None:
    tell(inside, STORIES[story])
