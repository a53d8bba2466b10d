"""What Entra said when the token was exchanged: whether time alone mends it, and what nothing else explains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from .accounts import NEW_SECONDS
from .codes import explain
from .credentials import matching
from .evidence import Attempt, Evidence
from .report import Cause, Link

_UNMATCHED = frozenset({"AADSTS70021", "AADSTS70025", "AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS7002138"})
_UNKNOWN = frozenset({"AADSTS700016", "AADSTS7000229"})
SETTLING_SECONDS = 600.0
"""How long a federated credential may take to be honoured everywhere (documented: minutes; threads: up to ten)."""


def judge(evidence: Evidence, so_far: Collection[Cause]) -> Iterator[Cause]:
    """What the exchanges add to the causes found ``so_far``."""
    identity, refused = evidence.identity, [one for one in evidence.exchanges if one.code]
    codes = Counter(one.code for one in refused)
    told = _told(evidence.exchanges)
    if identity is None and refused:
        yield _refused(evidence, codes, told)
    if identity is None or not refused:
        return
    earlier = {cause.link for cause in so_far} & {Link.CLUSTER, Link.IDENTITY, Link.CREDENTIAL}
    matches = matching(evidence)
    where = f"federated credential of {identity.name}"
    if matches and not earlier and codes.keys() <= _UNMATCHED:
        yield _settling(f"{where}, {matches[0].name}", evidence, told, partly=len(refused) < len(evidence.exchanges))
    elif not earlier and codes.keys() <= _UNKNOWN:
        age = (evidence.now - identity.created).total_seconds() if identity.created else 0.0
        yield Cause(
            name="identity-not-replicated",
            link=Link.IDENTITY,
            where=f"identity {identity.name}",
            what="it is in the directory and Entra's sign-in does not know it yet",
            evidence=told,
            mend="wait: a new identity may take 3 to 4 minutes, seldom 15",
            wait_seconds=max(NEW_SECONDS / 3 - age, 30.0),
        )
    elif not earlier:
        yield _refused(evidence, codes, told)


def _refused(evidence: Evidence, codes: Counter[str], told: tuple[str, ...]) -> Cause:
    """A refusal that nothing else explains, in the words of its code."""
    code, _ = codes.most_common(1)[0]
    meaning = explain(code)
    as_whom = f" as {evidence.identity.name}" if evidence.identity else ""
    return Cause(
        name="sign-in-refused",
        link=Link.SIGN_IN,
        where=f"sign-in of {evidence.question}{as_whom}",
        what=meaning.what,
        evidence=told,
        mend=meaning.look_at,
    )


def _settling(where: str, evidence: Evidence, told: tuple[str, ...], *, partly: bool) -> Cause:
    """Everything matches to the byte, so that only time is left to explain a refusal."""
    identity = evidence.identity
    assert identity is not None
    oldest = (evidence.now - identity.created).total_seconds() if identity.created else None
    left = SETTLING_SECONDS - oldest if oldest is not None else SETTLING_SECONDS
    age = f"its identity is {oldest:.0f} s old" if oldest is not None else "nobody tells when it was written"
    again = "if it does not pass, delete it and make it anew: that has helped where an edit has not"
    wait = min(max(left, 40.0), SETTLING_SECONDS)
    return Cause(
        name="credential-flapping" if partly else "credential-young",
        link=Link.CREDENTIAL,
        where=where,
        what="it is right to the byte, and honoured by some of Entra's servers only: it is settling"
        if partly
        else "it is right to the byte, and Entra does not honour it yet",
        evidence=(*told, age),
        mend=f"wait, about {wait:.0f} s more; {again}",
        wait_seconds=wait,
    )


def _told(exchanges: Collection[Attempt]) -> tuple[str, ...]:
    succeeded = sum(not one.code for one in exchanges)
    messages = dict.fromkeys(one.message for one in exchanges if one.code)
    return (f"{succeeded} of {len(exchanges)} exchanges succeeded", *messages)
