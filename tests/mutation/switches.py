"""How a rule of the simulator is switched off: its function is given a body that says nothing, its route is taken away.

Functions are imported by name all over the simulator, and stand in tables. So the function object stays and its code
is exchanged, which every user of it notices at once.
"""

from __future__ import annotations

import inspect
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from simulator import ledger
from simulator.azure import entra_errors
from simulator.provenance import LEDGER, Rule
from simulator.routing import Refusal, Route, Routes

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from simulator.simulation import Simulation

_REFUSAL = "from simulator.routing import Refusal"
_BLAND = "Refusal(400, 'SwitchedOff', 'this rule is switched off')"
_BODIES: dict[str, tuple[tuple[str, str], ...]] = {
    "None": (("does nothing", "return None"),),
    "bool": (("always says yes", "return True"), ("always says no", "return False")),
    "Refusal": (("refuses in no particular words", f"{_REFUSAL}; return {_BLAND}"),),
    "str": (("says nothing", "return ''"),),
    "int": (("says nought", "return 0"),),
    "bytes": (("says nothing", "return b''"),),
}
_REFUSES = ("is not there", f"{_REFUSAL}; raise {_BLAND}")
_numbers = itertools.count()


@dataclass(frozen=True)
class Switch:
    """One way of switching a rule off in this process, for good."""

    rule: Rule
    means: str
    """What becomes of the rule, as in ``does nothing``."""
    throw: Callable[[], None]

    @property
    def name(self) -> str:
        """Short and unique."""
        return f"{self.rule.area}: {self.rule.text} ({self.means})"


def all_switches() -> list[Switch]:
    """Every way to switch off every rule of the ledger, in its order."""
    rules = ledger.complete()
    return [switch for rule in rules for switch in _switches(rule, LEDGER[rule])]


def watch(rule: Rule, touched: Callable[[Rule], None]) -> None:
    """Call ``touched`` from now on whenever the rule is applied. Routes and AADSTS rows are not watched here."""
    if (function := function_of(LEDGER[rule])) is None:
        return
    name = f"_watched_{next(_numbers)}"
    original = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__)
    original.__kwdefaults__ = function.__kwdefaults__

    def watched(*given: Any, **named: Any) -> Any:
        touched(rule)
        return original(*given, **named)

    function.__globals__[name] = watched
    function.__code__ = _code(f"def {function.__name__}(*given, **named): return {name}(*given, **named)")


def function_of(implementation: object) -> FunctionType | None:
    """The plain function behind what the decorator was given, None for what is none."""
    while wrapped := getattr(implementation, "__wrapped__", None) or getattr(implementation, "__func__", None):
        implementation = wrapped
    return implementation if isinstance(implementation, FunctionType) else None


def _switches(rule: Rule, implementation: object) -> Iterator[Switch]:
    if isinstance(implementation, Route):
        yield Switch(rule, "is not served", partial(_unserve, implementation))
    elif isinstance(implementation, entra_errors.Failure):
        yield Switch(rule, "fails in no particular words", partial(_blur, implementation))
    elif (function := function_of(implementation)) is not None:
        for means, body in _bodies(function):
            yield Switch(rule, means, partial(_exchange, implementation, _without(function, body)))
    else:
        message = f"no way to switch off {rule}: {implementation!r}"
        raise TypeError(message)


def _bodies(function: FunctionType) -> tuple[tuple[str, str], ...]:
    """What the function does without the rule, by what it is annotated to return."""
    returned = str(function.__annotations__.get("return"))
    if returned in _BODIES:
        return _BODIES[returned]
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return (("yields nothing", "return\n    yield"),)
    if returned.endswith("| None"):
        return (("finds nothing", "return None"),)
    alike = [name for name, kind in function.__annotations__.items() if kind == returned and name != "return"]
    if len(alike) == 1:
        return (("leaves it as it is", f"return {alike[0]}"),)
    if returned.startswith(("dict[", "list[", "set[")):
        return (("says nothing", f"return {returned.partition('[')[0]}()"),)
    return (_REFUSES,)


def _without(function: FunctionType, body: str) -> CodeType:
    """Code of the same kind of function, with the same parameters, and this body."""
    begin = "async def" if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function) else "def"
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    named = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    parameters = ", ".join([*names, *(["*", *named] if named else [])])
    return _code(f"{begin} {function.__name__}({parameters}):\n    {body}")


def _code(source: str) -> CodeType:
    module = compile(source, "<switched off>", "exec")
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def _exchange(implementation: object, code: CodeType) -> None:
    function = function_of(implementation)
    assert function is not None
    function.__code__ = code
    if clear := getattr(implementation, "cache_clear", None):
        clear()


def _unserve(route: Route) -> None:
    """A 400 in its place: what no route serves is answered 501, which clients take for weather and wait out."""
    for table in tables():
        table.table[:] = [replace(one, handler=_nothing_here) if one is route else one for one in table.table]


async def _nothing_here(simulation: Simulation, request: Request) -> Response:
    raise Refusal(400, "SwitchedOff", "this rule is switched off")


def tables() -> list[Routes]:
    """Every table of routes of the simulator."""
    modules = [module for name, module in sys.modules.items() if name.startswith("simulator.")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Routes)]
    return list({id(table): table for table in found}.values())


def _blur(row: entra_errors.Failure) -> None:
    fields: dict[str, Any] = {**vars(row), "code": 0, "error": "switched_off", "text": "this rule is switched off"}
    entra_errors.FAILURES[row.code] = entra_errors.Failure(**fields)
