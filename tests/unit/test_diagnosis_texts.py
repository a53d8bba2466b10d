"""What is read out of an error's text and out of a token, and how two strings are told apart."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.diagnosis import codes, tokens
from fleet.diagnosis.codes import MEANINGS, Told, explain, read
from fleet.diagnosis.difference import difference

ISSUER = "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/"
SUBJECT = "system:serviceaccount:shop:checkout"
CLIENT = "0a1b2c3d-0000-4000-8000-000000000001"
TEXTS = {
    "in full": (
        f"AADSTS700213: No matching federated identity record found for presented assertion subject '{SUBJECT}'. Check",
        Told("AADSTS700213", subject=SUBJECT, namespace="shop", service_account="checkout"),
    ),
    "the issuer": (f"(invalid_client) AADSTS700211: ... assertion issuer '{ISSUER}'.", Told("AADSTS700211", ISSUER)),
    "cut in half": ("AADSTS700213: No matching federated identity rec", Told("AADSTS700213")),
    "cut within what it quotes": (f"AADSTS700211: ... issuer '{ISSUER}", Told("AADSTS700211")),
    "in another language": (
        "AADSTS700016: Die Anwendung mit dem Bezeichner '" + CLIENT + "' wurde im Verzeichnis nicht gefunden",
        Told("AADSTS700016", client_id=CLIENT),
    ),
    "the number alone, in lower case": ("aadsts 70025", Told("AADSTS70025")),
    "of 2022": (
        f"AADSTS70021: No matching. Assertion Issuer: '{ISSUER}'. Assertion Subject: '{SUBJECT}'. "
        "Assertion Audience: 'api://AzureADTokenExchange'.",
        Told("AADSTS70021", ISSUER, SUBJECT, "api://AzureADTokenExchange", "shop", "checkout"),
    ),
    "no code at all": ("permission denied", Told()),
    "nothing": ("", Told()),
}


@pytest.mark.parametrize("case", TEXTS)
def test_an_errors_text_gives_away_what_it_says_whatever_its_state(case: str) -> None:
    text, told = TEXTS[case]
    assert read(text) == told


@given(st.text(max_size=300))
def test_no_text_is_too_strange_to_be_read(text: str) -> None:
    read(text)
    with pytest.raises(tokens.NotATokenError):
        tokens.read(text.replace(".", ""))


def test_a_code_never_seen_is_told_where_to_look_it_up() -> None:
    assert explain("AADSTS999999").look_at == "look it up at https://login.microsoftonline.com/error?code=999999"


def test_every_code_is_explained_in_words_and_with_what_to_look_at() -> None:
    assert all(meaning.what and meaning.look_at for meaning in MEANINGS.values())
    assert all(explain(code) is MEANINGS[code] for code in codes.MEANINGS)


DIFFERENCES = {
    "none": (ISSUER, None, ""),
    "slash missing": (ISSUER.rstrip("/"), "slash", "it lacks the slash at its end"),
    "slash too many": (f"{ISSUER}/", "slash", "it ends with a slash too many"),
    "case": (ISSUER.replace("cluster", "Cluster"), "case", "is 'C', expected 'c'"),
    "space after": (f"{ISSUER} ", "space", "it ends with white space"),
    "line break before": (f"\n{ISSUER}", "space", "it begins with white space"),
    "look-alike": (ISSUER.replace("a", "а", 1), "look-alike", "CYRILLIC SMALL LETTER A, which looks like a"),
    "invisible": (ISSUER.replace("tenant", "ten\u200bant"), "look-alike", "cannot be seen"),
    "another": ("https://elsewhere.example/", "other", ""),
}


@pytest.mark.parametrize("case", DIFFERENCES)
def test_two_strings_are_told_apart_to_the_byte(case: str) -> None:
    found, kind, told = DIFFERENCES[case]
    way = difference(ISSUER, found)
    assert (way.kind if way else None) == kind
    assert told in (way.told if way else "")


@given(st.text(), st.text())
def test_a_difference_is_found_exactly_where_there_is_one(one: str, other: str) -> None:
    assert (difference(one, other) is None) == (one == other)


def encoded(*parts: object) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = {"aud": ["api://AzureADTokenExchange"], "exp": NOW.timestamp() + 60, "iss": ISSUER, "sub": SUBJECT}
NO_TOKENS = {
    "one word": ("hello", "it has 1 parts between dots, not 3"),
    "a kubeconfig": ("apiVersion: v1\nkind: Config\n", "it has 1 parts"),
    "no base64": ("é.é.é", "its header cannot be read"),
    "no JSON": ("aGVsbG8.aGVsbG8.x", "its header cannot be read"),
    "no object": (f"{encoded([1], {})}.x", "its header is no JSON object"),
    "claims cut off": (f"{encoded({'alg': 'RS256'})}.eyJpc3M.x", "its claims cannot be read"),
}


@pytest.mark.parametrize("case", NO_TOKENS)
def test_what_is_no_token_is_told_apart_and_not_repeated(case: str) -> None:
    text, says = NO_TOKENS[case]
    with pytest.raises(tokens.NotATokenError, match="this is no JSON Web Token") as error:
        tokens.read(text)
    assert says in str(error.value)
    assert text not in str(error.value)


PROBLEMS = {
    "none": ({}, ()),
    "for Kubernetes itself": ({"aud": "https://kubernetes.default.svc"}, ("it is for https://kubernetes.default.svc",)),
    "for nobody": ({"aud": None}, ("it is for nobody",)),
    "old": ({"exp": NOW.timestamp() - 1}, ("it expired at 2025-12-31T23:59:59+00:00",)),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_token_tells_what_is_wrong_with_it_by_itself(case: str) -> None:
    claims, says = PROBLEMS[case]
    token = tokens.read(f"{encoded({'alg': 'RS256'}, {**FRESH, **claims})}.signature\n")
    told = list(tokens.problems(token, NOW))
    assert len(told) == len(says)
    assert all(text in one for text, one in zip(says, told, strict=True))
