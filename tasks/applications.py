"""Entra applications and their service principals, known by our mark and unique name, never by display name."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from clients.errors import Conflict, Invalid, Missing
from clients.graph import Json
from clients.session import Clients
from clients.waiting import REPLICATION_SECONDS
from fleet import naming, ownership
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import Application, ServicePrincipal
from fleet.spec import Fleet, Identity, IdentityKind

from . import federation

_PAGE = 999
_FILTER_TERMS = 15
"""Graph takes at most 15 terms in one ``in`` or chain of ``or``."""
_FIELDS = "id,appId,displayName,uniqueName,tags,signInAudience,createdDateTime"
_DELETED = "/directory/deletedItems"
_GOOD_READS = 3


async def observe(clients: Clients, fleet: Fleet, *, beyond: bool = False) -> Observation:
    """Our applications with their federated credentials, and their service principals, by one list of each.

    A wanted application that is not among them is looked for by name, so as to tell a foreign one from a missing one.
    Of a fleet without applications, they are listed only to look ``beyond``.
    """
    wanted = [identity for identity in fleet.identities if identity.kind is IdentityKind.APPLICATION]
    if not wanted and not beyond:
        return Observation()
    tag = ownership.fleet_tag(fleet.name)
    picture = _Picture(fleet, await find(clients, f"tags/any(t:t eq '{tag}')"))
    missing = [identity.name for identity in wanted if not picture.add(identity)]
    for names in _chunks(missing):
        condition = " or ".join(f"displayName eq '{name}'" for name in names)
        picture.add_namesakes(names, await find(clients, condition))
    principals = await _service_principals(clients, f"tags/any(t:t eq '{tag}')")
    known = {principal["appId"] for principal in principals}
    for client_ids in _chunks([client_id for client_id in picture.by_client_id if client_id not in known]):
        listed = ", ".join(f"'{client_id}'" for client_id in client_ids)
        principals += await _service_principals(clients, f"appId in ({listed})")
    picture.add_leftovers({identity.name for identity in wanted})
    return picture.complete(principals)


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Create or correct an application; returns its client_id and object_id.

    Creation is an upsert by unique name: repeated after a crash, it finds the application of the first try.
    """
    wanted = change.resource
    assert isinstance(wanted, Application)
    what = f"application {wanted.display_name}"
    graph = clients.graph
    object_id = change.known.get("object_id")
    path = f"/applications/{object_id}" if object_id else f"/applications(uniqueName='{quote(wanted.unique_name)}')"

    async def write() -> None:
        body: Json = {"displayName": wanted.display_name, "signInAudience": wanted.sign_in_audience}
        if object_id is None:
            body["tags"] = list(ownership.graph_tags(fleet.name, wanted.identity))
            await graph.update(what, path, body, Prefer="create-if-missing")
        else:
            found = await graph.get(what, path)
            tags = found.get("tags")
            body["tags"] = ownership.with_graph_tags(tags, fleet.name, wanted.identity, adopted=change.adopted)
            await graph.update(what, path, body)

    async def readable() -> Json | None:
        found = await graph.get(what, path)
        return found if not wanted.differences(_application(wanted, found)) else None

    try:
        await clients.patience.request(write)
    except (Conflict, Invalid) as error:
        # Entra keeps a deleted application for 30 days, and its unique name with it: bring ours back.
        if "uniqueName" not in error.message or not await _restore(clients, wanted):
            raise
        await clients.patience.request(write, also=(Conflict, Invalid), seconds=REPLICATION_SECONDS)
    application = await clients.patience.until(
        f"{what} to be known everywhere", readable, seconds=REPLICATION_SECONDS, in_a_row=_GOOD_READS
    )
    return {"client_id": application["appId"], "object_id": application["id"]}


async def ensure_principal(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:
    """Create or correct the application's service principal; returns its principal_id."""
    wanted = change.resource
    assert isinstance(wanted, ServicePrincipal)
    what = f"service principal of {wanted.identity}"
    graph = clients.graph
    path = f"/servicePrincipals(appId='{wanted.client_id}')"

    async def write() -> None:
        try:
            found: Json | None = await graph.get(what, path)
        except Missing:
            found = None
        tags = ownership.with_graph_tags((found or {}).get("tags"), fleet.name, wanted.identity)
        body: Json = {"accountEnabled": True, "tags": tags}
        if found is None:
            await graph.create(what, "/servicePrincipals", {**body, "appId": str(wanted.client_id)})
        elif wanted.differences(_principal(wanted, found)):
            await graph.update(what, f"/servicePrincipals/{found['id']}", body)

    async def readable() -> Json | None:
        found = await graph.get(what, path)
        return found if not wanted.differences(_principal(wanted, found)) else None

    # The application may not be known to the copy that is asked (NoBackingApplicationObject), and a try whose answer
    # was lost shows as a Conflict: the next look finds the principal.
    await clients.patience.request(write, also=(Conflict,), seconds=REPLICATION_SECONDS)
    principal = await clients.patience.until(
        f"{what} to be known everywhere", readable, seconds=REPLICATION_SECONDS, in_a_row=_GOOD_READS
    )
    return {"principal_id": principal["id"]}


async def remove(clients: Clients, fleet: Fleet, change: Change) -> None:  # noqa: ARG001
    """Delete the application; its service principal and federated credentials go with it, for 30 days restorable."""
    application = change.resource
    assert isinstance(application, Application)

    async def delete() -> None:
        object_id = change.known["object_id"]
        await clients.graph.delete(f"application {application.display_name}", f"/applications/{object_id}")

    try:
        await clients.patience.request(delete)
    except Missing:
        return


async def release(clients: Clients, fleet: Fleet, change: Change) -> None:
    """Take our tags off the application and its service principal; both stay, with whatever else they have."""
    application = change.resource
    assert isinstance(application, Application)
    graph, known = clients.graph, change.known
    what = f"application {application.display_name}"

    async def write() -> None:
        for path in (f"/servicePrincipals(appId='{known['client_id']}')", f"/applications/{known['object_id']}"):
            try:
                tags = (await graph.get(what, path)).get("tags")
            except Missing:
                continue
            if ownership.owner_by_graph_tags(tags) == fleet.name:
                await graph.update(what, path, {"tags": ownership.without_graph_tags(tags)})

    await clients.patience.request(write)


async def deleted(clients: Clients) -> list[Json]:
    """The tenant's deleted applications: for 30 days they can be restored."""
    return await clients.graph.list("the tenant's deleted applications", f"{_DELETED}/microsoft.graph.application")


async def _restore(clients: Clients, wanted: Application) -> bool:
    """Whether a deleted application of our unique name was there; it is restored, its service principal with it."""
    match = next((item for item in await deleted(clients) if item.get("uniqueName") == wanted.unique_name), None)
    if match is None:
        return False
    await clients.graph.create(f"application {wanted.display_name}", f"{_DELETED}/{match['id']}/restore", {})
    return True


class _Picture:
    """Puts the lists together: which application is whose, and which principal is its."""

    def __init__(self, fleet: Fleet, ours: list[Json]) -> None:
        self._fleet, self._ours = fleet, ours
        self._by_unique_name = {item["uniqueName"]: item for item in ours if item.get("uniqueName")}
        self._by_tag = {ownership.identity_by_graph_tags(item["tags"]): item for item in ours}
        self._found: list[Found] = []
        self._conflicts: dict[str, str] = {}
        self.by_client_id: dict[str, str] = {}
        """The identity of each application found, by client id."""

    def add(self, identity: Identity) -> bool:
        """Whether the identity's application is among those that carry our mark."""
        unique_name = naming.unique_name(self._fleet.name, identity.name)
        application = self._by_unique_name.get(unique_name) or self._by_tag.get(identity.name)
        if application is not None:
            self._note(identity.name, application, ours=True)
        return application is not None

    def add_namesakes(self, names: list[str], candidates: list[Json]) -> None:
        """Applications that have the display name of a missing one: ours without its mark, or somebody else's."""
        for name in names:
            namesakes = [item for item in candidates if item["displayName"] == name]
            unique_name = naming.unique_name(self._fleet.name, name)
            unmarked = next((item for item in namesakes if item.get("uniqueName") == unique_name), None)
            if unmarked is not None:
                self._note(name, unmarked, ours=True)
            elif len(namesakes) == 1:
                self._note(name, namesakes[0], ours=False)
            elif namesakes:
                ids = ", ".join(item["appId"] for item in namesakes)
                reason = f"several applications are named {name} ({ids}): a name alone tells nothing, rename them"
                self._conflicts[f"application:{name}"] = reason

    def add_leftovers(self, wanted: Collection[str]) -> None:
        """Applications that carry our mark for identities that the fleet no longer has."""
        for item in self._ours:
            identity = ownership.identity_by_graph_tags(item["tags"])
            if identity and identity not in wanted and item["appId"] not in self.by_client_id:
                self._note(identity, item, ours=True)

    def _note(self, identity: str, application: Json, *, ours: bool) -> None:
        wanted = Application(
            identity=identity,
            display_name=identity,
            unique_name=naming.unique_name(self._fleet.name, identity),
            owner=self._fleet.name,
        )
        outputs = {"client_id": application["appId"], "object_id": application["id"]}
        adopted = ownership.is_adopted_by_graph_tags(application.get("tags"))
        resource = _application(wanted, application)
        self._found.append(Found(resource=resource, outputs=outputs, ours=ours, adopted=adopted))
        self.by_client_id[outputs["client_id"]] = identity
        for credential in application.get("federatedIdentityCredentials") or ():
            self._found.append(federation.found_on_application(identity, outputs["object_id"], credential))

    def complete(self, principals: list[Json]) -> Observation:
        """The observation, with the service principals of the applications."""
        for principal in principals:
            if identity := self.by_client_id.get(principal["appId"]):
                wanted = ServicePrincipal(identity=identity, client_id=principal["appId"], owner=self._fleet.name)
                outputs = {"principal_id": principal["id"]}
                self._found.append(Found(resource=_principal(wanted, principal), outputs=outputs))
        return Observation(found=tuple(self._found), conflicts=self._conflicts)


def _application(wanted: Application, found: Json) -> Application:
    return wanted.model_copy(
        update={
            "display_name": found["displayName"],
            "sign_in_audience": found.get("signInAudience") or "",
            "owner": ownership.owner_by_graph_tags(found.get("tags")),
        }
    )


def _principal(wanted: ServicePrincipal, found: Json) -> ServicePrincipal:
    return wanted.model_copy(
        update={
            "account_enabled": bool(found.get("accountEnabled")),
            "owner": ownership.owner_by_graph_tags(found.get("tags")),
        }
    )


def _chunks(items: list[str]) -> list[list[str]]:
    return [items[start : start + _FILTER_TERMS] for start in range(0, len(items), _FILTER_TERMS)]


async def find(clients: Clients, condition: str, also: str = "") -> list[Json]:
    """The applications that an OData filter lets through, '' for all, each with its federated credentials.

    ``also`` are more members to read of each, comma-separated.
    """
    chosen = {"filter": condition} if condition else {}
    applications = await clients.graph.list(
        "the tenant's applications",
        "/applications",
        **chosen,
        select=f"{_FIELDS},{also}" if also else _FIELDS,
        expand="federatedIdentityCredentials",
        top=_PAGE,
    )
    for application in applications:
        if len(application.get("federatedIdentityCredentials") or ()) >= naming.MAX_FEDERATED_CREDENTIALS:
            # An expanded relation is cut at 20, which is also the most that there can be: look at it on its own.
            what, path = f"application {application['displayName']}", f"/applications/{application['id']}"
            application["federatedIdentityCredentials"] = await clients.graph.list(
                what, f"{path}/federatedIdentityCredentials"
            )
    return applications


async def _service_principals(clients: Clients, condition: str) -> list[Json]:
    return await clients.graph.list(
        "the tenant's service principals",
        "/servicePrincipals",
        filter=condition,
        select="id,appId,accountEnabled,tags",
        top=_PAGE,
    )
