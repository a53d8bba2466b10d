"""The api-versions that the simulator answers to, by kind of resource."""

from __future__ import annotations

import re
from functools import cache

from simulator.provenance import Provenance, doubt, rule
from simulator.routing import NotSimulated, Refusal

_VERSION = re.compile(r"\d{4}-\d\d-\d\d(-[a-z]+)?")
_CLUSTERS = "2021-10-01 2024-05-01 2024-08-01 2025-01-01 2025-08-01 2026-03-01 2026-06-01 2026-08-01"
_IDENTITIES = (
    "2021-09-30-preview 2022-01-31-preview 2023-01-31 2023-07-31-preview 2024-11-30 2025-01-31-preview "
    "2025-05-31-preview"
)
_KNOWN = {
    "Microsoft.Authorization": "2020-04-01-preview 2022-04-01 2022-05-01-preview",
    "Microsoft.ContainerService/managedClusters": _CLUSTERS,
    "Microsoft.ContainerService/locations": f"2025-03-01 {_CLUSTERS}",
    "Microsoft.Features": "2015-12-01 2021-07-01",
    "Microsoft.KeyVault": "2018-02-14 2021-10-01 2023-02-01 2023-07-01 2026-02-01 2026-05-15",
    "Microsoft.ManagedIdentity": _IDENTITIES,
    "Microsoft.Resources": "2015-11-01 2016-02-01 2020-06-01 2021-04-01 2022-09-01 2022-12-01 2024-11-01 2025-04-01",
}
KNOWN = {kind.lower(): tuple(versions.split()) for kind, versions in _KNOWN.items()}
"""Oldest first: those of the recordings, of az 2.91 and the installed SDKs, and some that are published."""

KEY_VAULT = ("2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01")
"""Of the data plane, as the SDK lists them."""


@cache
def kind_of(template: str) -> str:
    """The kind of resource that a route is about, in lower case, as far as versions are told apart by it."""
    parts = template.lower().split("/")
    provider = next((number for number in reversed(range(len(parts))) if parts[number].startswith("microsoft.")), None)
    if provider is None:
        return "microsoft.resources"
    whole = "/".join(parts[provider : provider + 2])
    return whole if whole in KNOWN else parts[provider]


@rule("arm", "what is no date is no api-version: 400", Provenance.REPORTED, "InvalidApiVersionParameter in threads")
@doubt(
    "arm",
    "real ARM answers a version that it does not know with NoRegisteredProviderFound and a list of those that it does",
    "501 and noted, for every date that the simulator does not know: the real service may",
    "azure-cli#23985, azure-cli#28496",
)
@doubt(
    "arm",
    "which members an older api-version leaves out",
    "none but those that a recording tells apart: isolationScope and the vaults' default model",
    "wire/00-reading-notes.yaml api_version_in_uri",
)
def check(template: str, version: str) -> None:
    """Return for a version that the route's kind of resource is known to have."""
    kind = kind_of(template)
    if version in KNOWN[kind]:
        return
    if _VERSION.fullmatch(version):
        message = f"api-version {version} of {kind}"
        raise NotSimulated(message)
    supported = ",".join(reversed(KNOWN[kind]))
    message = f"The api-version '{version}' is invalid. The supported versions are '{supported}'."
    raise Refusal(400, "InvalidApiVersionParameter", message)
