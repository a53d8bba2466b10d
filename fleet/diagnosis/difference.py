"""How two strings that should be equal differ, to the byte, in words: most refusals are a letter that nobody sees."""

from __future__ import annotations

from dataclasses import dataclass

from fleet.lookalikes import skeleton, strange


@dataclass(frozen=True)
class Difference:
    """``kind`` is slash, space, look-alike, case or other."""

    kind: str
    told: str
    """Where and how, as part of a sentence."""


def difference(wanted: str, found: str) -> Difference | None:
    """How ``found`` differs from ``wanted``; None where it does not. Compared as Entra does: as bytes."""
    if found == wanted:
        return None
    if found.strip() == wanted.strip():
        return Difference("space", _white_space(wanted, found))
    if found.rstrip("/") == wanted.rstrip("/"):
        more = len(found) > len(wanted)
        return Difference("slash", "it ends with a slash too many" if more else "it lacks the slash at its end")
    if found.casefold() == wanted.casefold():
        place = next(index for index, (a, b) in enumerate(zip(wanted, found, strict=False)) if a != b)
        return Difference("case", f"character {place + 1} is {found[place]!r}, expected {wanted[place]!r}")
    if skeleton(found) == skeleton(wanted) and (letter := strange(found)):
        return Difference("look-alike", letter)
    return Difference("other", "")


def _white_space(wanted: str, found: str) -> str:
    more, fewer = len(found) - len(found.strip()), len(wanted) - len(wanted.strip())
    where = "begins" if found[:1].isspace() else "ends"
    return f"it {where} with white space" if more > fewer else "white space at its end or beginning is missing"


def shown(text: str) -> str:
    """A string so that every character of it can be seen: quoted, other than ASCII escaped."""
    return ascii(text)
