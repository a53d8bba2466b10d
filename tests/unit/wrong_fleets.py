"""What is wrong with a fleet file, as its user is told."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fleet.files import FleetFileError, load

from .worlds import fleet_data


def wrongs(text: str) -> list[str]:
    """What is wrong with the text."""
    with pytest.raises(FleetFileError) as raised:
        load(text)
    assert str(raised.value) == "\n".join(map(str, raised.value.mistakes))
    return [str(mistake) for mistake in raised.value.mistakes]


def wrongs_of(**parts: Any) -> list[str]:
    """What is wrong with a fleet that is right but for these parts."""
    return wrongs(yaml.safe_dump(fleet_data(**parts)))


def not_allowed(path: str, value: str, allowed: str) -> list[str]:
    """The one mistake of a bad name."""
    return [f"{path}: {value!r} is not allowed here: {allowed}"]
