"""Validation errors of ours beside pydantic's, in words that say what would be right."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]
"""Where in a fleet something stands: ``("workloads", 2, "identity")``."""


def wrong(message: str) -> PydanticCustomError:
    """A validation error with exactly this message."""
    return PydanticCustomError("fleet", "{message}", {"message": message})


def problem(location: Location, message: str, value: object = None) -> InitErrorDetails:
    """One error, to be raised together with others."""
    return InitErrorDetails(type=wrong(message), loc=location, input=value)


def message_of(details: InitErrorDetails) -> str:
    """What an error of :func:`problem` says."""
    message = details["type"]
    return message.message() if isinstance(message, PydanticCustomError) else message


def kept(error: ValidationError, *, read: bool = True, meant: bool = True) -> list[InitErrorDetails]:
    """The errors of another validation, to be raised together with further ones.

    Where not everything could be ``read``, what is missing as a whole may stand there; and where not all that is
    ``meant`` is known, neither is it known that a part is empty.
    """
    return [
        problem(details["loc"], _worded(details["msg"]), details.get("input"))
        for details in error.errors(include_url=False)
        if not (details["type"] == "too_short" and details["input"])  # short only because its items are wrong
        and not (details["type"] == "missing" and len(details["loc"]) == 1 and not read)
        and not (details["type"] == "too_short" and len(details["loc"]) == 1 and not (read and meant))
    ]


def path(location: Location) -> str:
    """A location as a reader of the file would write it: ``workloads[2].identity``."""
    written = ""
    for part in location:
        if part == "[key]":  # pydantic's way to say that the key itself is meant
            continue
        written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else part
    return written


def _worded(message: str) -> str:
    if message.startswith("Extra inputs"):
        return "there is no such field"
    if message == "Field required":
        return "this field is missing"
    if message.startswith("Tuple should have at least 1 item"):
        return "give at least one"
    if message.startswith("Input should be a valid tuple"):
        return "give a list"
    if message.startswith("Input should be a valid dictionary"):
        return "give a mapping of fields"
    return message
