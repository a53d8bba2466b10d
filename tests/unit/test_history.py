"""The picture of a fleet over time."""

from __future__ import annotations

from base64 import b64decode
from xml.etree import ElementTree

import pytest

from flows.history import History, Run, picture

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*runs: Run) -> ElementTree.Element:
    """The picture, parsed."""
    head, _, body = picture(History(runs=runs)).partition(",")
    assert head == "data:image/svg+xml;base64"
    return ElementTree.fromstring(b64decode(body))


def run(well: int, chains: int = 4, changes: int = 0) -> Run:
    return Run(at="2026-03-01T12:00:00+00:00", chains=chains, well=well, changes=changes)


def titles(picture: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}title")]


def test_every_run_tells_how_many_workloads_were_well_and_how_many_were_not() -> None:
    told = titles(drawn(run(4), run(1)))
    assert "2026-03-01T12:00:00+00:00: 4 well" in told
    assert "2026-03-01T12:00:00+00:00: 3 not well" in told


def test_the_heights_of_a_run_are_in_proportion() -> None:
    heights = {
        (bar.find(f"{SVG}title").text or "").partition(": ")[2]: float(bar.attrib["height"])  # type: ignore[union-attr]
        for bar in drawn(run(1)).iter(f"{SVG}rect")
        if bar.find(f"{SVG}title") is not None
    }
    assert heights["3 not well"] == pytest.approx(3 * heights["1 well"], rel=0.01)


def test_changes_are_dots_where_there_were_any() -> None:
    assert len(list(drawn(run(4), run(4, changes=3)).iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize("runs", [(), (run(0, chains=0),), tuple(run(4) for _ in range(200))])
def test_it_is_a_picture_however_many_runs_there_were(runs: tuple[Run, ...]) -> None:
    assert drawn(*runs).tag == f"{SVG}svg"
