"""What a rotation of a cluster's signing keys means for tokens: which work, and until which hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.diagnosis import keys
from fleet.diagnosis.evidence import ClusterEvidence, Document, Evidence, Question, Token
from fleet.diagnosis.judging import judge

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISSUER = "https://issuer.example/"
SUBJECT = "system:serviceaccount:shop:checkout"
HOUR = 3600


def token(kid: str | None, made: float = 0, life: float = HOUR, **claims: Any) -> Token:
    """One that was made so many seconds from now."""
    at = NOW.timestamp() + made
    header = {"alg": "RS256"} | ({"kid": kid} if kid else {})
    return Token(header, {"iss": ISSUER, "sub": SUBJECT, "iat": at, "exp": at + life} | claims)


def evidence(*published: str, at_hand: Token | None = None, now_by: str | None = "new", life: int = 0) -> Evidence:
    """Of a cluster whose issuer publishes these keys; tokens are made by ``now_by``."""
    document = Document("https://issuer.example/jwks", {"keys": [{"kid": kid} for kid in published]})
    cluster = ClusterEvidence(keys=document, token=token(now_by) if now_by else None, issuer=ISSUER)
    source = {"serviceAccountToken": {"audience": "api://AzureADTokenExchange", "expirationSeconds": life}}
    pod = {"spec": {"containers": [], "volumes": [{"name": "t", "projected": {"sources": [source]}}, {"name": "e"}]}}
    question = Question(cluster="west", namespace="shop", service_account="checkout", tenant_id="t")
    return Evidence(question, NOW, cluster=cluster, pods=(pod,) if life else (), at_hand=at_hand)


SEEN: dict[str, tuple[Evidence, tuple[str, ...]]] = {
    "one key": (evidence("new"), ()),
    "two keys": (
        evidence("old", "new"),
        (
            "keys: 2 are published; tokens made now are signed by kid new",
            "key old signs none: if it is the key of before, its tokens work until 2026-01-02T12:00+00:00 at",
            "every pod has one of the new key by 2026-01-01T12:48+00:00 (renewed at 80 % of 3600 s); if it is the next",
        ),
    ),
    "pods with longer tokens": (
        evidence("old", "new", life=86400),
        (
            "",
            "by 2026-01-02T07:12+00:00 (renewed at 80 %",
        ),
    ),
    "none made now": (evidence("old", "new", now_by=None), ()),
    "made by a key that is not published": (evidence("old", "older"), ()),
}


@pytest.mark.parametrize("case", SEEN)
def test_more_than_one_published_key_is_told_with_the_hour_until_which_the_other_works(case: str) -> None:
    given, says = SEEN[case]
    told = list(keys.seen(given))
    assert bool(told) is bool(says)
    assert all(any(text in line for line in told) for text in says)


PROBLEMS: dict[str, tuple[Evidence, str]] = {
    "none at hand": (evidence("old", "new"), ""),
    "of the key that signs": (evidence("old", "new", at_hand=token("new", -60)), ""),
    "of the key of before": (
        evidence("old", "new", at_hand=token("old", -600)),
        "it is signed by kid old, the key of before, and tokens made now by kid new: it works until "
        "2026-01-01T12:50+00:00, unless the key is rotated once more",
    ),
    "of the key of before, and for longer than that is published": (
        evidence("old", "new", at_hand=token("old", -12 * HOUR, 48 * HOUR)),
        "it works until 2026-01-02T00:00+00:00",
    ),
    "of the key of before, and expired": (evidence("old", "new", at_hand=token("old", -7200)), "it has expired"),
    "of the key of before, without times": (
        evidence("old", "new", at_hand=token("old", iat=None, exp="soon")),
        "it works for 24 h after the rotation",
    ),
    "of the key of before, at no time there is": (
        evidence("old", "new", at_hand=token("old", iat=1e300, exp=float("inf"))),
        "it works for 24 h after the rotation",
    ),
    "of a key that is no longer published": (
        evidence("new", at_hand=token("gone", -600)),
        "it is signed by kid gone, which its issuer publishes no longer: Entra refuses it",
    ),
    "of no key": (
        evidence("new", at_hand=token(None)),
        "it is signed by kid None, which its issuer publishes no longer",
    ),
    "of another ServiceAccount": (evidence("new", at_hand=token("gone", sub="system:serviceaccount:a:b")), ""),
    "of another issuer": (evidence("new", at_hand=token("gone", iss="https://other.example/")), ""),
    "nothing published": (evidence(at_hand=token("gone")), ""),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_the_key_of_a_token_at_hand_is_told_where_it_is_not_the_one_that_signs(case: str) -> None:
    given, says = PROBLEMS[case]
    told = list(keys.problems(given))
    assert len(told) == bool(says)
    assert all(says in line for line in told)


def test_a_report_tells_both_and_is_not_well_with_a_token_of_before() -> None:
    report = judge(evidence("old", "new", at_hand=token("old", -600)))
    assert any(line.startswith("keys: 2 are published") for line in report.seen)
    assert len(report.at_hand) == 1
    assert not report.is_well


def test_what_is_no_list_of_keys_says_nothing() -> None:
    given = evidence("old", "new", at_hand=token("old"))
    for content in ({}, {"keys": None}, {"keys": ["x"]}, None):
        document = Document("https://issuer.example/jwks", content)
        odd = replace(given, cluster=replace(given.cluster, keys=document))
        assert (list(keys.seen(odd)), list(keys.problems(odd))) == ([], [])
