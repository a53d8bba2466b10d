"""Preview features of the subscription, and the refresh of the provider that puts a registered one into effect."""

from __future__ import annotations

from clients.errors import CloudError, Invalid, Missing, translated
from clients.session import Clients
from clients.waiting import REGISTRATION_SECONDS
from fleet.changes import Change
from fleet.observed import Found, Observation
from fleet.resources import PreviewFeature
from fleet.spec import Fleet

PROVIDER = "Microsoft.ContainerService"
_REGISTERED = "Registered"


async def observe(clients: Clients, fleet: Fleet) -> Observation:
    """The state of every feature that the spec asks for, and of no other."""
    names = dict.fromkeys(name for cluster in fleet.clusters for name in cluster.preview_features)
    return Observation(found=tuple([Found(resource=await _feature(clients, name)) for name in names]))


async def ensure(clients: Clients, fleet: Fleet, change: Change) -> dict[str, str]:  # noqa: ARG001
    """Register the feature, wait until it is, then refresh the provider."""
    assert isinstance(change.resource, PreviewFeature)
    name = change.resource.name

    async def register() -> None:
        with translated(f"feature {PROVIDER}/{name}"):
            await clients.arm.features.features.register(PROVIDER, name)

    async def registered() -> bool | None:
        return (await _feature(clients, name)).state == _REGISTERED or None

    try:
        await clients.patience.request(register)
    except CloudError as error:
        if not _is_generally_available(error):
            raise
        return {}
    await clients.patience.until(
        f"feature {PROVIDER}/{name} to be registered",
        registered,
        seconds=REGISTRATION_SECONDS,
        advice="It is stuck in Registering: register it anew (az feature unregister, then register), or ask support",
    )
    await refresh_provider(clients)
    return {}


async def _feature(clients: Clients, name: str) -> PreviewFeature:
    async def get() -> str:
        with translated(f"feature {PROVIDER}/{name}"):
            feature = await clients.arm.features.features.get(PROVIDER, name)
            return (feature.properties.state if feature.properties else None) or "NotRegistered"

    try:
        return PreviewFeature(name=name, state=await clients.patience.request(get))
    except CloudError as error:
        if not _is_generally_available(error):
            raise
        return PreviewFeature(name=name)


def _is_generally_available(error: CloudError) -> bool:
    """A feature that has become generally available vanishes: that is what was wished for, not a failure."""
    gone = isinstance(error, Missing) or (isinstance(error, Invalid) and "could not be found" in error.message)
    return gone and error.code not in ("SubscriptionNotFound", "ResourceGroupNotFound")


async def refresh_provider(clients: Clients) -> None:
    """Put registered features into effect: what was registered counts when the provider is registered anew."""

    async def register() -> None:
        with translated(f"provider {PROVIDER}"):
            await clients.arm.resources.providers.register(PROVIDER)

    async def registered() -> bool | None:
        with translated(f"provider {PROVIDER}"):
            return (await clients.arm.resources.providers.get(PROVIDER)).registration_state == _REGISTERED or None

    await clients.patience.request(register)
    await clients.patience.until(f"provider {PROVIDER} to be registered", registered, seconds=REGISTRATION_SECONDS)
