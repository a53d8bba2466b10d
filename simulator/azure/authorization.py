"""Role definitions and role assignments, at any scope."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from . import arm_bodies, directory, roles
from .arm_wire import answer, filtered, needs, resource_not_found, table
from .state import Json, RoleAssignment
from .wire import json_object, ticks_z

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

TABLE = table()

LIMIT = 4000
"""Role assignments per subscription."""
_WRITTEN = timedelta(milliseconds=108)
"""How long after the request the assignment says that it was written."""
_OPTIONAL = ("condition", "conditionVersion", "delegatedManagedIdentityResourceId", "description")
_PROVIDER = "/providers/Microsoft.Authorization"
_SCOPED = f"/{{scope:path}}{_PROVIDER}"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_RESOURCE = re.compile(
    r"/subscriptions/[^/]+/resourcegroups/(?P<rg>[^/]+)/providers/(?P<kind>[^/]+/[^/]+)/(?P<name>[^/]+)", re.IGNORECASE
)


def _scope(request: Request) -> str:
    return f"/{request.path_params.get('scope', '').strip('/')}"


def _subscription(scope: str) -> str:
    """The id of the scope's subscription, '' above any."""
    parts = scope.split("/")
    return parts[2] if len(parts) > 2 and parts[1].lower() == "subscriptions" else ""


@TABLE.add("GET", f"{_PROVIDER}/roleDefinitions", Provenance.DOCUMENTED, "role definitions list at /")
@TABLE.add("GET", f"{_SCOPED}/roleDefinitions", Provenance.RECORDED, "wire/role-assignments.yaml definition_lookup")
@needs("", "/", "$filter")
async def list_definitions(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """The built-in roles, by ``$filter``; their ids are scoped to the subscription whatever was asked."""
    inside = _subscription(_scope(request))
    items = [body | body["properties"] for body in (role.body(inside) for role in roles.BUILT_IN)]
    at_scope = {"atscopeandbelow": lambda item, argument: True, "atscope": lambda item, argument: True}  # noqa: ARG005
    ids = [item["name"] for item in filtered(request, items, at_scope)]
    slice_of_gateway = {"set-cookie": "x-ms-gateway-slice=Production; path=/; secure; samesite=none; httponly"}
    return answer(request, {"value": [roles.BY_ID[each].body(inside) for each in ids]}, headers=slice_of_gateway)


@TABLE.add("GET", f"{_PROVIDER}/roleDefinitions/{{name}}", Provenance.DOCUMENTED, "role definitions get by id")
@TABLE.add("GET", f"{_SCOPED}/roleDefinitions/{{name}}", Provenance.DOCUMENTED, "role definitions get")
@needs("", "/")
async def get_definition(simulation: Simulation, request: Request) -> Response:  # noqa: ARG001
    """One by its guid."""
    name = request.path_params["name"].lower()
    if name not in roles.BY_ID:
        raise Refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{name}' does not exist."
        )
    return answer(request, roles.BY_ID[name].body(_subscription(_scope(request))))


@TABLE.add("GET", f"{_SCOPED}/permissions", Provenance.DOCUMENTED, "permissions list for resource")
@needs("", "/")
async def list_permissions(simulation: Simulation, request: Request) -> Response:
    """What the caller may do at a scope, one element per role assigned there or above."""
    scope = _scope(request)
    held = roles.of_principal(simulation.azure, request.state.caller.object_id)
    value = [
        roles.role_of(one).body("")["properties"]["permissions"][0]
        for one in held
        if roles.reaches(one.body["properties"]["scope"], scope)
    ]
    return answer(request, {"value": value})


def _shown(one: RoleAssignment, inside: str) -> Json:
    """As asked under a subscription, to which the role definition's id is rewritten."""
    properties = one.body["properties"]
    role = roles.role_of(one)
    return one.body | {"properties": properties | {"roleDefinitionId": role.body(inside)["id"]}}


@TABLE.add("GET", f"{_SCOPED}/roleAssignments", Provenance.RECORDED, "wire/role-assignments.yaml list")
@needs("Microsoft.Authorization/roleAssignments/read", "/{scope}", "$filter")
async def list_assignments(simulation: Simulation, request: Request) -> Response:
    """Those at the scope, above it and below; ``atScope()`` leaves out what is below."""
    scope = _scope(request)
    inside = _subscription(scope)
    near = [
        _shown(one, inside)
        for one in simulation.azure.role_assignments.values()
        if roles.reaches(one.body["properties"]["scope"], scope)
        or roles.reaches(scope, one.body["properties"]["scope"])
    ]
    functions = {
        "atscope": lambda item, argument: roles.reaches(item["properties"]["scope"], scope),  # noqa: ARG005
        "assignedto": lambda item, argument: item["properties"]["principalId"] == argument.lower(),
    }
    found = filtered(request, [body | {"principalId": body["properties"]["principalId"]} for body in near], functions)
    return answer(request, {"value": [{k: v for k, v in body.items() if k != "principalId"} for body in found]})


@TABLE.add("GET", f"{_SCOPED}/roleAssignments/{{name}}", Provenance.DOCUMENTED, "role assignments get")
@needs("Microsoft.Authorization/roleAssignments/read", "/{scope}")
async def get_assignment(simulation: Simulation, request: Request) -> Response:
    """One."""
    found = simulation.azure.role_assignments.get(_id(request).lower())
    if found is None:
        message = f"The role assignment '{request.path_params['name']}' is not found."
        raise Refusal(404, "RoleAssignmentNotFound", message)
    return answer(request, _shown(found, _subscription(_scope(request))))


def _id(request: Request) -> str:
    return f"{_scope(request)}{_PROVIDER}/roleAssignments/{request.path_params['name']}"


@TABLE.add("PUT", f"{_SCOPED}/roleAssignments/{{name}}", Provenance.RECORDED, "wire/role-assignments.yaml create")
@rule("arm", "4000 role assignments in a subscription", Provenance.ASSUMED, "limits-and-errors E1 role assignments")
@doubt(
    "arm",
    "whether an identical PUT of an assignment is an error: 409 RoleAssignmentExists in 2019",
    "200 with the assignment; another name for the same scope, role and principal is the 409",
    "wire/role-assignments.yaml errors.duplicate",
)
@doubt(
    "arm",
    "newer services may append the id of the existing assignment to RoleAssignmentExists",
    "the elder text, without an id",
    "wire/role-assignments.yaml errors.duplicate.newer",
)
@needs("Microsoft.Authorization/roleAssignments/write", "/{scope}")
async def put_assignment(simulation: Simulation, request: Request) -> Response:
    """Create: 201. The triple of scope, principal and role exists once, under whatever name."""
    azure, scope, name = simulation.azure, _scope(request), request.path_params["name"]
    sent = (await json_object(request, arm_bodies.ASSIGNMENT)).get("properties") or {}
    if not _GUID.fullmatch(name):
        raise Refusal(
            400, "InvalidRoleAssignmentId", f"The role assignment ID '{name}' is not valid. It must be a GUID."
        )
    _exists(simulation, scope)
    role = str(sent.get("roleDefinitionId", "")).rpartition("/")[2].lower()
    if role not in roles.BY_ID:
        raise Refusal(
            404, "RoleDefinitionDoesNotExist", f"The specified role definition with ID '{role}' does not exist."
        )
    principal = str(sent.get("principalId") or "").lower()
    existing = azure.role_assignments.get(_id(request).lower())
    if existing is not None:
        _same(existing, principal, role)
    elif _taken(azure.role_assignments.values(), scope, principal, role):
        raise Refusal(409, "RoleAssignmentExists", "The role assignment already exists.")
    elif _full(azure.role_assignments, _subscription(scope)):
        message = f"No more role assignments can be created (limit is {LIMIT})."
        raise Refusal(409, "RoleAssignmentLimitExceeded", message)
    kind = _principal_type(simulation, principal, sent.get("principalType"))
    told = {member: sent[member] for member in _OPTIONAL if sent.get(member) is not None}
    if existing is not None:
        existing.body["properties"] |= told
        return answer(request, _shown(existing, _subscription(scope)))
    made = assign(simulation, request.state.caller.object_id, scope, name, principal, role, kind)
    made.body["properties"] |= told
    return answer(request, _fresh(simulation, made), 201)


@rule(
    "arm",
    "the 201 has no createdBy and an earlier createdOn than every list",
    Provenance.RECORDED,
    "wire/role-assignments.yaml create.quirks",
)
def _fresh(simulation: Simulation, made: RoleAssignment) -> Json:
    asked = ticks_z(simulation.clock.now())
    return made.body | {"properties": made.body["properties"] | {"createdBy": None, "createdOn": asked}}


@rule("arm", "an assignment's principal and role are immutable", Provenance.REPORTED, "limits-and-errors E3 role PUT")
def _same(existing: RoleAssignment, principal: str, role: str) -> None:
    if existing.body["properties"]["principalId"] != principal or roles.role_of(existing).id != role:
        message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
        raise Refusal(400, "RoleAssignmentUpdateNotPermitted", message)


def _full(assignments: Collection[str], subscription: str) -> bool:
    """Whether the subscription has as many as it may; ``assignments`` are the ids of all."""
    if len(assignments) < LIMIT:
        return False
    return sum(_subscription(key) == subscription.lower() for key in assignments) >= LIMIT


def _taken(assignments: Iterable[RoleAssignment], scope: str, principal: str, role: str) -> bool:
    return any(
        one.body["properties"]["principalId"] == principal
        and one.body["properties"]["scope"].lower() == scope.lower()
        and roles.role_of(one).id == role
        for one in assignments
    )


@rule("arm", "naming the principal's type skips the look-up", Provenance.REPORTED, "role-assignments.yaml principal")
@doubt(
    "arm",
    "whether the code of a principal that is not known yet is PrincipalNotFound or BadRequest",
    "PrincipalNotFound",
    "wire/role-assignments.yaml errors.principal_not_found",
)
@doubt(
    "arm",
    "of a new group the look-up is reported to fail although its type is declared",
    "a declared type always skips it: there are no groups",
    "wire/role-assignments.yaml errors.principal_not_found.with_principalType",
)
@doubt(
    "arm",
    "what is said to a principal of another type than declared",
    "400 UnmatchedPrincipalType in words of our own, where the principal is known",
    "wire/role-assignments.yaml errors.unmatched_type",
)
def _principal_type(simulation: Simulation, principal: str, declared: str | None) -> str:
    """The type of the principal; 400 for one that the directory's replicas do not know, unless its type is declared."""
    found = directory.principal(simulation.azure, principal)
    known = found is not None and directory.visible(found, simulation.clock.now())
    if declared and known and declared.lower() != "serviceprincipal":
        message = f"The principal type '{declared}' does not match the type 'ServicePrincipal' of {principal}."
        raise Refusal(400, "UnmatchedPrincipalType", message)
    if declared:
        return declared
    if not known:
        message = (
            f"Principal {principal.replace('-', '')} does not exist in the directory {simulation.azure.tenant_id}. "
            "Check that you have the correct principal ID. If you are creating this principal and then immediately "
            "assigning a role, this error might be related to a replication delay. In this case, set the role "
            "assignment principalType property to a value, such as ServicePrincipal, User, or Group.  "
            "See https://aka.ms/docs-principaltype"
        )
        raise Refusal(400, "PrincipalNotFound", message)
    return "ServicePrincipal"


def _exists(simulation: Simulation, scope: str) -> None:
    """404 for a scope that names a group or resource that is not there."""
    azure, key = simulation.azure, scope.lower()
    parts = key.split("/")
    if len(parts) > 2 and parts[1] == "subscriptions" and parts[2] not in azure.subscriptions:
        raise Refusal(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")
    if len(parts) > 4 and "/".join(parts[:5]) not in azure.resource_groups:
        raise Refusal(404, "ResourceGroupNotFound", f"Resource group '{scope.split('/')[4]}' could not be found.")
    if match := _RESOURCE.match(scope):
        whole = match.group().lower()
        vault = azure.vaults.get(whole)
        known = whole in azure.clusters or whole in azure.identities or (vault and vault.deleted_at is None)
        if not known:
            raise resource_not_found(match["kind"], match["name"], match["rg"])


def assign(
    simulation: Simulation, author: str, scope: str, name: str, principal: str, role: str, kind: str
) -> RoleAssignment:
    """Write an assignment of the role with the guid ``role``. ARM honours it at once, the data plane later."""
    written = ticks_z(simulation.clock.now() + _WRITTEN)
    identity = f"{scope.rstrip('/')}{_PROVIDER}/roleAssignments/{name}"
    body: Json = {
        "properties": {
            "roleDefinitionId": roles.BY_ID[role].body(_subscription(scope))["id"],
            "principalId": principal,
            "principalType": kind,
            "scope": scope,
            "condition": None,
            "conditionVersion": None,
            "createdOn": written,
            "updatedOn": written,
            "createdBy": author,
            "updatedBy": author,
            "delegatedManagedIdentityResourceId": None,
            "description": None,
        },
        "id": identity,
        "type": "Microsoft.Authorization/roleAssignments",
        "name": name,
    }
    made = RoleAssignment(body, simulation.weather.after("role_propagation"))
    simulation.azure.role_assignments[identity.lower()] = made
    return made


@TABLE.add("DELETE", f"{_SCOPED}/roleAssignments/{{name}}", Provenance.RECORDED, "wire/role-assignments.yaml delete")
@needs("Microsoft.Authorization/roleAssignments/delete", "/{scope}")
async def delete_assignment(simulation: Simulation, request: Request) -> Response:
    """200 with what was deleted, 204 when it was gone already."""
    found = simulation.azure.role_assignments.pop(_id(request).lower(), None)
    if found is None:
        return answer(request, None, 204)
    updated = found.body["properties"] | {"updatedOn": ticks_z(simulation.clock.now())}
    return answer(request, found.body | {"properties": updated})


@rule("arm", "a resource's role assignments go with it", Provenance.DOCUMENTED, "Key Vault recovery overview")
def forget_scope(simulation: Simulation, scope: str) -> None:
    """Drop the assignments at a resource that is being deleted; recovering it does not bring them back."""
    assignments = simulation.azure.role_assignments
    for key in [key for key, one in assignments.items() if roles.reaches(scope, one.body["properties"]["scope"])]:
        del assignments[key]
