"""Federated credentials that look right and are not, are missing, or are not honoured yet."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

from simulator.azure.federation import LIMIT
from simulator.azure.state import FederatedCredential, Trust

from .catalogue import breakage
from .chain import Chain

_LINK = "federated credential"
_LOOK_ALIKES = {"a": "а", "c": "с", "e": "е", "o": "о", "p": "р"}
"""Latin letters and the Cyrillic ones that look the same."""
_UNHONOURED = timedelta(minutes=10)


def _trust(chain: Chain, trust: Trust) -> None:
    """What was written long ago, so that nothing is left to wait for."""
    credential = chain.credential
    credential.trust, credential.former = trust, None


def _issuer(chain: Chain, issuer: str) -> None:
    _trust(chain, replace(chain.credential.trust, issuer=issuer))


def _subject(chain: Chain, subject: str) -> None:
    _trust(chain, replace(chain.credential.trust, subject=subject))


def _look_alike(text: str) -> str:
    """The last letter that has one replaced by its Cyrillic look-alike."""
    place = max(text.rfind(letter) for letter in _LOOK_ALIKES)
    return text[:place] + _LOOK_ALIKES[text[place]] + text[place + 1 :]


def _other_case(text: str) -> str:
    """The last letter in its other case."""
    place = max(index for index, letter in enumerate(text) if letter.isalpha())
    return text[:place] + text[place].swapcase() + text[place + 1 :]


@breakage("issuer-slash", _LINK, "the credential's issuer has no slash at its end, or one too many")
async def issuer_slash(chain: Chain) -> None:
    """As copied from somewhere that trims URLs."""
    issuer = chain.credential.trust.issuer
    _issuer(chain, issuer.rstrip("/") if issuer.endswith("/") else f"{issuer}/")


@breakage("issuer-case", _LINK, "the credential's issuer has a letter in the wrong case")
async def issuer_case(chain: Chain) -> None:
    """Issuers are compared as strings, not as URLs."""
    _issuer(chain, _other_case(chain.credential.trust.issuer))


@breakage("issuer-space", _LINK, "the credential's issuer ends with a space")
async def issuer_space(chain: Chain) -> None:
    """As pasted from a terminal."""
    _issuer(chain, chain.credential.trust.issuer + " ")


@breakage("issuer-look-alike", _LINK, "the credential's issuer has a Cyrillic letter that looks like a Latin one")
async def issuer_look_alike(chain: Chain) -> None:
    """As pasted from a document."""
    _issuer(chain, _look_alike(chain.credential.trust.issuer))


@breakage("issuer-other", _LINK, "the credential trusts the issuer of another cluster")
async def issuer_other(chain: Chain) -> None:
    """Two clusters, one copied value."""
    _issuer(chain, chain.credential.trust.issuer.rstrip("/").rpartition("/")[0] + f"/{uuid.uuid4()}/")


@breakage("subject-case", _LINK, "the credential's subject has a letter in the wrong case")
async def subject_case(chain: Chain) -> None:
    """Refused since 2024 with words of its own."""
    _subject(chain, _other_case(chain.subject))


@breakage("subject-space", _LINK, "the credential's subject ends with a space")
async def subject_space(chain: Chain) -> None:
    """As pasted from a terminal."""
    _subject(chain, f"{chain.subject} ")


@breakage("subject-look-alike", _LINK, "the credential's subject has a Cyrillic letter that looks like a Latin one")
async def subject_look_alike(chain: Chain) -> None:
    """As pasted from a document."""
    _subject(chain, _look_alike(chain.subject))


@breakage("subject-namespace", _LINK, "the credential's subject names another namespace")
async def subject_namespace(chain: Chain) -> None:
    """The workload moved, or the credential was made for staging."""
    _subject(chain, f"system:serviceaccount:{chain.namespace}-staging:{chain.account_name}")


@breakage("subject-account", _LINK, "the credential's subject names another ServiceAccount")
async def subject_account(chain: Chain) -> None:
    """The account was renamed."""
    _subject(chain, f"system:serviceaccount:{chain.namespace}:{chain.account_name}-old")


@breakage("subject-prefix", _LINK, "the credential's subject lacks system:serviceaccount:")
async def subject_prefix(chain: Chain) -> None:
    """As kubectl prints names."""
    _subject(chain, f"{chain.namespace}:{chain.account_name}")


@breakage("audience-other", _LINK, "the credential expects an audience that no token of the webhook has")
async def audience_other(chain: Chain) -> None:
    """As for a sovereign cloud."""
    _trust(chain, replace(chain.credential.trust, audiences=["api://AzureADTokenExchangeChina"]))


@breakage("audience-case", _LINK, "the credential's audience has a letter in the wrong case")
async def audience_case(chain: Chain) -> None:
    """Compared as a string."""
    _trust(chain, replace(chain.credential.trust, audiences=["api://AzureAdTokenExchange"]))


@breakage("credential-missing", _LINK, "the identity's federated credential is gone")
async def credential_missing(chain: Chain) -> None:
    """Somebody tidied up."""
    chain.identity.federated.remove(chain.credential)


@breakage("credential-budget", _LINK, f"the identity has {LIMIT} credentials for others and none for this workload")
async def credential_budget(chain: Chain) -> None:
    """The limit of every application and every managed identity."""
    trust, at = chain.credential.trust, chain.credential.written_at
    others = [
        FederatedCredential(
            str(uuid.uuid4()), f"other-{number}", replace(trust, subject=f"other:{number}"), None, at, at
        )
        for number in range(LIMIT)
    ]
    chain.identity.federated[:] = others


@breakage("credential-young", _LINK, "the credential was written just now and is not honoured yet")
async def credential_young(chain: Chain) -> None:
    """It will be, ten minutes from now."""
    now, credential = chain.simulation.clock.now(), chain.credential
    credential.written_at, credential.honoured_at, credential.former = now, now + _UNHONOURED, None


@breakage("credential-flapping", _LINK, "the credential is so young that not every request sees it")
async def credential_flapping(chain: Chain) -> None:
    """For minutes, and for half of the requests."""
    chain.simulation.weather.change(federation_flapping=0.5)
    chain.credential.written_at = chain.simulation.clock.now() + _UNHONOURED
