"""Signing keys before and after a rotation: which sign, and until which hour tokens of the others work.

An issuer publishes its keys without saying which of them signs, or since when. What a token made now is signed by
tells that; a token at hand that an other key signed is of before, for its key signed when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet import naming

from .evidence import Evidence, Token

VALID = timedelta(hours=24)
"""For so long AKS publishes a key after its rotation (its documentation); a second rotation ends it at once."""
RENEWED_AT = 0.8
"""Of a token's life: then the kubelet has a new one made (Kubernetes' documentation of projected volumes)."""
_USUAL_LIFE = 3600.0
"""Seconds; of the webhook's volume where the ServiceAccount says nothing else."""

Json = dict[str, Any]


def seen(evidence: Evidence) -> Iterator[str]:
    """What is published, where that is more than one key, and what it means for tokens of the key that signs none."""
    kids, signing = _published(evidence), _signing(evidence)
    if len(kids) < 2 or signing not in kids:
        return
    yield f"keys: {len(kids)} are published; tokens made now are signed by kid {signing}"
    life = max([_life(pod) for pod in evidence.pods] + [_USUAL_LIFE])
    renewed = evidence.now + timedelta(seconds=RENEWED_AT * life)
    for kid in kids:
        if kid != signing:
            yield (
                f"key {kid} signs none: if it is the key of before, its tokens work until "
                f"{_hour(evidence.now + VALID)} at the latest (24 h after the rotation), and every pod has one of the "
                f"new key by {_hour(renewed)} (renewed at 80 % of {life:.0f} s); if it is the next one, nothing has to "
                "be done"
            )


def problems(evidence: Evidence) -> Iterator[str]:
    """What is wrong with the key of the token at hand, if that is one of this chain."""
    token, kids, signing = evidence.at_hand, _published(evidence), _signing(evidence)
    if token is None or not kids or not _is_of(token, evidence):
        return
    kid = str(token.header.get("kid"))
    if kid not in kids:
        yield (
            f"it is signed by kid {kid}, which its issuer publishes no longer: Entra refuses it. The key was rotated "
            f"more than 24 h ago, or twice since; {_anew(evidence)}"
        )
    elif signing is not None and kid != signing:
        until = _until(token)
        works = f"it works until {_hour(until)}" if until is not None else "it works for 24 h after the rotation"
        over = until is not None and until <= evidence.now
        yield (
            f"it is signed by kid {kid}, the key of before, and tokens made now by kid {signing}: "
            f"{'it has expired' if over else works}, unless the key is rotated once more; {_anew(evidence)}"
        )


def _until(token: Token) -> datetime | None:
    """Its key signed when it was made, so it is published 24 h from then at least; no token is trusted beyond exp."""
    made, expires = (_instant(token, claim) for claim in ("iat", "exp"))
    known = [each for each in (made + VALID if made else None, expires) if each is not None]
    return min(known, default=None)


def _instant(token: Token, claim: str) -> datetime | None:
    value = token.claims.get(claim)
    if not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):  # a number that is no time
        return None


def _is_of(token: Token, evidence: Evidence) -> bool:
    same_issuer = token.claims.get("iss") == evidence.cluster.presented
    return same_issuer and token.claims.get("sub") == evidence.question.subject


def _anew(evidence: Evidence) -> str:
    question = evidence.question
    return (
        "the application has to read its file anew at each sign-in, where the kubelet puts a new one in time; one that "
        f"does not is restarted: kubectl -n {question.namespace} get pods"
    )


def _published(evidence: Evidence) -> Sequence[str]:
    keys = evidence.cluster.keys
    listed = (keys.content or {}).get("keys") if keys is not None else None
    return [str(key.get("kid")) for key in listed or () if isinstance(key, dict)]


def _signing(evidence: Evidence) -> str | None:
    token = evidence.cluster.token
    return str(token.header["kid"]) if token is not None and "kid" in token.header else None


def _life(pod: Json) -> float:
    """Seconds that the pod's token for Entra lives."""
    for volume in pod["spec"].get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            token = source.get("serviceAccountToken") or {}
            if token.get("audience") == naming.AUDIENCE:
                return float(token.get("expirationSeconds", _USUAL_LIFE))
    return 0.0


def _hour(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="minutes")
