"""Letters that a reader takes for others: a name may be wrong, or twice the same, in a way that no eye can see."""

from __future__ import annotations

import re
import unicodedata

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
"""Characters that show nothing, or turn the direction of what follows (of Unicode's default ignorables)."""

_TWINS = str.maketrans(
    "АВЕЅІЈКМНОРСТХҮаеіјорсухѕԁԛԝһΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυıℓ‐‑‒–—−",
    "ABESIJKMHOPCTXYaeijopcyxsdqwhABEZHIKMNOPTYXavopuil------",
)
"""Cyrillic, Greek and others beside the Latin letters that they are drawn like (from Unicode's confusables)."""


def skeleton(name: str) -> str:
    """What is left of a name where case, accents' encoding, look-alike letters and invisible ones are disregarded."""
    plain = unicodedata.normalize("NFKC", INVISIBLE.sub("", name)) if not name.isascii() else name
    return unicodedata.normalize("NFC", plain.translate(_TWINS).casefold())


def strange(name: str) -> str | None:
    """The character of a name that is least what it seems, by position and Unicode name; None where all is ASCII."""
    if name.isascii():
        return None
    told = sorted(_told(position, letter) for position, letter in enumerate(name, start=1) if not letter.isascii())
    return told[0][-1]


def _told(position: int, character: str) -> tuple[int, int, str]:
    """How far from what it seems (0 most), where, and the words for it."""
    called = f"character {position} is {unicodedata.name(character, f'U+{ord(character):04X}')}"
    if INVISIBLE.match(character):
        return 0, position, f"{called}, which cannot be seen"
    twin = unicodedata.normalize("NFKC", character).translate(_TWINS)
    if twin.isascii():
        return 1, position, f"{called}, which looks like {twin}"
    return 2, position, called
