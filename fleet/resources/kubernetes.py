"""What stands in a cluster: the webhook, namespaces, ServiceAccounts, Deployments."""

from __future__ import annotations

from typing import Literal, Self

from fleet.spec import Container, WebhookDelivery

from .base import Difference, Resource, Value


class Webhook(Resource):
    """The admission webhook of a cluster. ``serving`` means that it answered for a dry-run pod."""

    compared = ("version", "tenant_id", "serving")

    kind: Literal["webhook"] = "webhook"
    cluster: str
    delivery: WebhookDelivery
    version: str | None = None
    """Of the chart; AKS chooses the add-on's."""
    tenant_id: str
    serving: bool = True

    @property
    def key(self) -> str:
        return f"webhook:{self.cluster}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class Namespace(Resource):
    """A namespace. An existing one is used as it is: teams share namespaces."""

    told = ("owner",)

    kind: Literal["namespace"] = "namespace"
    cluster: str
    name: str
    owner: str | None

    @property
    def title(self) -> str:
        return f"{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"namespace:{self.cluster}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class ServiceAccount(Resource):
    """A ServiceAccount and the annotations that the webhook reads from it."""

    compared = ("client_id", "tenant_id", "token_expiration", "owner")

    kind: Literal["service-account"] = "service-account"
    cluster: str
    namespace: str
    name: str
    client_id: Value | None
    tenant_id: str | None
    token_expiration: str | None = None
    owner: str | None

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Somebody else's that leaves the tenant to the webhook is as wanted: the webhook's is compared there."""
        left_to_webhook = found.tenant_id is None and found.owner != self.owner
        differences = super().differences(found)
        return tuple(item for item in differences if not (left_to_webhook and item.field == "tenant_id"))

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"service-account:{self.cluster}/{self.namespace}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


class Deployment(Resource):
    """A Deployment whose pods ask the webhook for the identity."""

    compared = ("service_account", "containers", "replicas", "skip_containers", "use", "owner")

    kind: Literal["deployment"] = "deployment"
    cluster: str
    namespace: str
    name: str
    service_account: str
    containers: tuple[Container, ...]
    replicas: int
    skip_containers: str | None
    """Value of the pod annotation, names separated by semicolons; None: no annotation."""
    use: str | None = "true"
    """Value of the pod label azure.workload.identity/use; only exactly "true" reaches the webhook."""
    owner: str | None

    def differences(self, found: Self) -> tuple[Difference, ...]:
        """Containers and variables that the spec does not name are others' (sidecars, injected settings)."""
        plain = [difference for difference in super().differences(found) if difference.field != "containers"]
        there = {container.name: container for container in found.containers}
        for container in self.containers:
            plain += _container_differences(container, there.get(container.name))
        return tuple(plain)

    @property
    def title(self) -> str:
        return f"{self.namespace}/{self.name} on {self.cluster}"

    @property
    def key(self) -> str:
        return f"deployment:{self.cluster}/{self.namespace}/{self.name}"

    @property
    def seen_through(self) -> str:
        return f"kubernetes:{self.cluster}"


def _container_differences(wanted: Container, found: Container | None) -> list[Difference]:
    where = f"containers[{wanted.name}]"
    if found is None:
        return [Difference(field=where, old=None, new=wanted.image)]
    fields = {"image": (found.image, wanted.image)}
    if wanted.command:
        fields["command"] = (" ".join(found.command), " ".join(wanted.command))
    fields |= {f"env[{name}]": (found.env.get(name, ""), value) for name, value in wanted.env.items()}
    return [
        Difference(field=f"{where}.{field}", old=old or None, new=new)
        for field, (old, new) in fields.items()
        if old != new
    ]
