"""A vault's access policies: one element per principal, honoured by the vault a little later."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import Refusal

from .state import Grant, Json, Vault

if TYPE_CHECKING:
    from simulator.simulation import Simulation

LIMIT = 1024
"""Access policies per vault."""
_KINDS = ("keys", "secrets", "certificates", "storage")


def _principal(policy: Json) -> str:
    return str(policy["objectId"]).lower()


def _merged(before: list[Json], sent: list[Json], *, keep: bool) -> list[Json]:
    """``sent`` into ``before`` principal by principal; with ``keep`` on top of the permissions that were there."""
    result = {_principal(policy): policy for policy in before}
    for policy in sent:
        permissions = dict(policy.get("permissions") or {})
        if keep and (former := result.get(_principal(policy))):
            for kind in _KINDS:
                both = [*((former.get("permissions") or {}).get(kind) or ()), *(permissions.get(kind) or ())]
                if both:
                    permissions[kind] = list(dict.fromkeys(both))
        result[_principal(policy)] = policy | {"permissions": permissions}
    return list(result.values())


def _added(before: list[Json], sent: list[Json]) -> list[Json]:
    return _merged(before, sent, keep=True)


def _replaced(before: list[Json], sent: list[Json]) -> list[Json]:
    return _merged(before, sent, keep=False)


def _removed(before: list[Json], sent: list[Json]) -> list[Json]:
    gone = {_principal(policy) for policy in sent}
    return [policy for policy in before if _principal(policy) not in gone]


CHANGES: dict[str, Callable[[list[Json], list[Json]], list[Json]]] = {
    "add": _added,
    "replace": _replaced,
    "remove": _removed,
}
"""What ``accessPolicies/{kind}`` does with the policies before and those sent."""


@rule(
    "key vault",
    "a written access policy is honoured a little later",
    Provenance.REPORTED,
    "limits-and-errors E3 secret",
)
def replace(simulation: Simulation, vault: Vault, policies: list[Json]) -> None:
    """Store the policies, echoed verbatim, and let changed ones take effect when the weather says."""
    _checked(policies)
    vault.body["properties"]["accessPolicies"] = policies
    wanted = {_principal(policy): _secrets(policy) for policy in policies}
    for principal in wanted.keys() | vault.grants.keys():
        secrets, grant = wanted.get(principal, []), vault.grants.get(principal)
        if grant is None or grant.secrets != secrets:
            former = effective(simulation, vault, principal)
            vault.grants[principal] = Grant(secrets, simulation.weather.after("policy_propagation"), former)


@rule("arm", "at most 1024 access policies in a vault", Provenance.ASSUMED, "limits-and-errors E1 Key Vault")
@doubt(
    "arm",
    "the limit of access policies is remembered, not read; its code and words are unknown",
    "400 BadRequest from the 1025th on",
    "limits-and-errors E1 Key Vault access policies",
)
def _checked(policies: list[Json]) -> None:
    if len(policies) > LIMIT:
        raise Refusal(400, "BadRequest", f"A vault cannot have more than {LIMIT} access policies.")
    principals = [_principal(policy) for policy in policies if policy.get("objectId")]
    if len(principals) != len(policies):
        message = "An access policy needs the objectId of its principal."
        raise Refusal(400, "BadRequest", message)
    if len(principals) != len(set(principals)):
        message = "The access policies hold the same objectId more than once."
        raise Refusal(400, "BadRequest", message)


def _secrets(policy: Json) -> list[str]:
    return sorted(str(each).lower() for each in (policy.get("permissions") or {}).get("secrets") or ())


def effective(simulation: Simulation, vault: Vault, principal: str) -> list[str]:
    """The secret permissions, in lower case, that the vault honours for a principal now."""
    grant = vault.grants.get(principal.lower())
    if grant is None:
        return []
    return grant.secrets if grant.effective_at <= simulation.clock.now() else grant.former
