"""A weather by its name, or out of a file of dials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from .weather import FORECASTS, Dials

_DIALS = TypeAdapter(Dials)
_DEFAULTS = _DIALS.dump_python


def forecast(name: str) -> Dials:
    """The dials of ``calm``, ``normal`` or ``storm``, or of the YAML file of that name.

    A file names the dials that it turns; ``like: storm`` starts from another weather than calm. Raises ValueError
    that tells everything wrong with it, each with its place in the file.
    """
    if name in FORECASTS:
        return FORECASTS[name]
    path = Path(name)
    if not path.is_file():
        message = f"choose one of {', '.join(FORECASTS)}, or a file of dials"
        raise ValueError(message)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        message = f"not readable as YAML: {error}"
        raise ValueError(message) from error
    if not isinstance(content or {}, dict):
        message = "a mapping of dials is expected, as in busy: 0.01"
        raise ValueError(message)
    return _turned(dict(content or {}))


def _turned(given: dict[Any, Any]) -> Dials:
    like = given.pop("like", "calm")
    problems = []
    if like not in FORECASTS:
        problems.append(f"like: choose one of {', '.join(FORECASTS)}")
    standing = _DEFAULTS(FORECASTS.get(str(like), Dials()))
    try:
        dials = _DIALS.validate_python({**standing, **{str(name): value for name, value in given.items()}})
    except ValidationError as error:
        dials = Dials()
        problems += [f"{'.'.join(map(str, one['loc']))}: {_words(one['type'], one['msg'])}" for one in error.errors()]
    if problems:
        raise ValueError("\n  ".join(["", *problems]))
    return dials


def _words(kind: str, message: str) -> str:
    unknown = f"there is no such dial; there are {', '.join(Dials.__dataclass_fields__)}"
    return unknown if kind == "unexpected_keyword_argument" else message.removeprefix("Value error, ")
