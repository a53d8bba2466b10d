"""From the text of a fleet file to a :class:`~fleet.spec.Fleet`, or to all that is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from pydantic import ValidationError

from .spec import Fleet


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong: where in the file, what, and what would be right."""

    path: str
    """Such as ``workloads[2].identity``, or ``line 3`` where the text is not YAML, or empty for the whole file."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class FleetFileError(ValueError):
    """A fleet file that cannot be used. ``mistakes`` holds all of them, in the order in which a fleet is written."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(text: str) -> Fleet:
    """The fleet that the YAML describes. Raises :class:`FleetFileError` with every mistake."""
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise FleetFileError((Mistake(line, f"this is not YAML: {_QUOTED.sub('it', str(error.problem))}"),)) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FleetFileError((Mistake("", f"this is not YAML: {error}"),)) from None
    if data is None:
        raise FleetFileError((Mistake("", "the file is empty: a fleet has name, subscription, clusters, ..."),))
    if not isinstance(data, dict):
        raise FleetFileError((Mistake("", "a fleet is a mapping with name, subscription, clusters, ..."),))
    try:
        return Fleet.model_validate(data)
    except ValidationError as error:
        raise FleetFileError(mistakes(error)) from None


def mistakes(error: ValidationError) -> tuple[Mistake, ...]:
    """pydantic's errors with paths as a reader of the file would write them. Values are not repeated."""
    details = sorted(error.errors(), key=lambda each: _position(each["loc"]))
    return tuple(dict.fromkeys(Mistake(_path(each["loc"]), _message(each["msg"])) for each in details))


def _position(location: tuple[int | str, ...]) -> tuple[int, int]:
    part, item = (*location, "", "")[:2]
    parts = list(Fleet.model_fields)
    return parts.index(part) if part in parts else len(parts), item if isinstance(item, int) else -1


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _message(message: str) -> str:
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


_QUOTED = re.compile(r"""(['"])(?!<|\\.\1)[^'"].+\1""")
"""What YAML's errors quote of the text, more than a character of it; their names of tokens stand in <>."""


class _StrictLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; here they are an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice here", key_node.start_mark)
            seen.add(key)
        mapping: dict[object, object] = super().construct_mapping(node, deep=deep)
        return mapping
