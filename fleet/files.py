"""From the text of a fleet file to a :class:`~fleet.spec.Fleet`, or to all that is wrong with it."""

from __future__ import annotations

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
    """A fleet file that cannot be used. ``mistakes`` holds all of them, in the order of the file."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def load(text: str) -> Fleet:
    """The fleet that the YAML describes. Raises :class:`FleetFileError` with every mistake."""
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise FleetFileError((Mistake(line, f"this is not YAML: {error.problem}"),)) from None
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
    found = [Mistake(_path(details["loc"]), _message(details["msg"])) for details in error.errors()]
    return tuple(dict.fromkeys(found))


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
    return message


class _StrictLoader(yaml.SafeLoader):
    """YAML lets the last of two equal keys win in silence; here they are an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, list | dict):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a word", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key} stands twice here", key_node.start_mark)
            seen.add(key)
        mapping: dict[object, object] = super().construct_mapping(node, deep=deep)
        return mapping
