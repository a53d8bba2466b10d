"""A fleet over time: what each run came to, in one document where Prefect keeps results, and as a picture."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from fleet.spec import Model

from . import kept

_NAME = "history"
KEPT = 200
"""Runs that are remembered: with one every quarter of an hour, two days."""
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 860, 240, 48, 34, 30
_COLOURS = {"well": "#2da44e", "not well": "#cf222e", "changes": "#0969da"}


class Run(Model):
    """One run that changed, or would have changed, the fleet."""

    at: str
    """Its end: ISO 8601, UTC."""
    chains: int
    """Workloads, each on each of its clusters."""
    well: int
    changes: int
    """Applied."""


class History(Model):
    """The newest runs of a fleet, oldest first."""

    runs: tuple[Run, ...] = ()


async def and_then(fleet: str, run: Run) -> History:
    """The fleet's history with one run more, which is kept."""
    before = await kept.read(History, _NAME, fleet)
    history = History(runs=(*before.runs, run)[-KEPT:])
    await kept.write(history, _NAME, fleet)
    return history


def picture(history: History) -> str:
    """An SVG as a data URL: a bar for each run, of workloads well and not well, and a dot for its changes."""
    return "data:image/svg+xml;base64," + b64encode(_svg(history.runs).encode()).decode()


def _svg(runs: tuple[Run, ...]) -> str:
    most = max((run.chains for run in runs), default=0) or 1
    most_changes = max((run.changes for run in runs), default=0) or 1
    across, up = _WIDTH - _LEFT - 12, _HEIGHT - _TOP - _BOTTOM
    step = across / max(len(runs), 24)
    base = _HEIGHT - _BOTTOM
    shapes = [_text(_LEFT - 8, _TOP + 4, str(most), "end"), _text(_LEFT - 8, base + 4, "0", "end")]
    for place, run in enumerate(runs):
        x, wide = _LEFT + place * step, max(step * 0.8, 1)
        well, rest = up * run.well / most, up * (run.chains - run.well) / most
        shapes.append(_bar(x, base - well, wide, well, _COLOURS["well"], f"{run.at}: {run.well} well"))
        shapes.append(
            _bar(x, base - well - rest, wide, rest, _COLOURS["not well"], f"{run.at}: {run.chains - run.well} not well")
        )
        if run.changes:
            y = base - up * run.changes / most_changes
            title = escape(f"{run.at}: {run.changes} changes")
            circle = f'<circle cx="{x + wide / 2:.1f}" cy="{y:.1f}" r="3.5" fill="{_COLOURS["changes"]}">'
            shapes.append(f"{circle}<title>{title}</title></circle>")
    if runs:
        shapes.append(_text(_LEFT, _HEIGHT - 8, runs[0].at, "start"))
        if len(runs) > 1:
            shapes.append(_text(_WIDTH - 12, _HEIGHT - 8, runs[-1].at, "end"))
    legend = {"well": "workloads well", "not well": "not well", "changes": f"changes (at most {most_changes})"}
    for place, (name, words) in enumerate(legend.items()):
        x = _LEFT + place * 160
        shapes.append(_bar(x, 10, 11, 11, _COLOURS[name], words))
        shapes.append(_text(x + 17, 20, words, "start"))
    axis = f'<path d="M{_LEFT} {_TOP}V{base}H{_WIDTH - 12}" fill="none" stroke="#8c959f"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}">'
    back = f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>'
    return "".join([head, back, *shapes, axis, "</svg>"])


def _bar(x: float, y: float, width: float, height: float, colour: str, title: str) -> str:
    shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}">'
    return f"{shape}<title>{escape(title)}</title></rect>"


def _text(x: float, y: float, words: str, anchor: str) -> str:
    style = 'font-family="sans-serif" font-size="11" fill="#57606a"'
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {style}>{escape(words)}</text>'
