"""The part of OData's ``$filter`` language that Graph's and ARM's clients use, as predicates over JSON objects.

Known: ``eq ne gt ge lt le in``, ``and or not``, parentheses, ``startswith endswith contains``, ``/any`` and ``/all``
with a lambda, ``/$count``, and functions that the service itself gives a meaning. Strings compare without regard to
case, as the directory's and ARM's do.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Test = Callable[[Mapping[str, Any]], bool]
"""A predicate over the variables in scope; the object itself is ``$it``."""

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[\w$./@-]+)|(?P<sign>[(),:]))")
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "startswith": str.startswith,
    "endswith": str.endswith,
    "contains": operator.contains,
}
_ADVANCED = {"ne", "not", "endswith", "contains", "$count"}
_DEEPEST = 50
_CONSTANTS = {"true": True, "false": False, "null": None}


class FilterError(ValueError):
    """The filter is not one that the service understands."""


@dataclass(frozen=True)
class Filter:
    """A parsed filter."""

    test: Test
    words: frozenset[str]
    """Operators, functions and lambda collections that occur, in lower case."""
    terms: int = 1
    """Of the longest ``in`` or chain of ``or``."""
    members: frozenset[str] = frozenset()
    """The object's own members that are compared, in lower case."""

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Whether the object satisfies the filter. Comparisons of what cannot be compared are false."""
        return self.test({"$it": item})

    @property
    def advanced(self) -> bool:
        """Whether the directory answers this only to advanced queries (ConsistencyLevel: eventual)."""
        return not self.words.isdisjoint(_ADVANCED | {"federatedidentitycredentials"})


def parse(text: str, functions: Mapping[str, Callable[[Mapping[str, Any], str], bool]] | None = None) -> Filter:
    """Read a filter. ``functions`` (names in lower case) take the object and their one argument, '' for none.

    Raises :class:`FilterError`.
    """
    parser = _Parser(_tokens(text), dict(functions or {}))
    test = parser.disjunction()
    if parser.peek():
        message = f"'{parser.peek()}' is not expected here"
        raise FilterError(message)
    return Filter(test, frozenset(parser.words), parser.terms, frozenset(parser.members - parser.variables))


def _tokens(text: str) -> list[str]:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            message = f"syntax error at position {position}"
            raise FilterError(message)
        tokens.append(match.group().strip())
        position = match.end()
    return tokens


def _elements(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _compares(compare: Callable[[str, str], bool], value: Any, literal: Any) -> bool:
    return isinstance(value, str) and isinstance(literal, str) and compare(value, literal)


def unheard_of(parsed: Filter, items: list[dict[str, Any]]) -> str:
    """Members that the filter compares and no object has, with commas between them; '' where there are no objects."""
    known = {name.lower() for item in items for name in item}
    return ", ".join(sorted(parsed.members - known)) if items else ""


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def _value(path: str, scope: Mapping[str, Any]) -> Any:
    first, *rest = path.split("/")
    if first in scope:
        value = scope[first]
    else:
        value, rest = scope["$it"], [first, *rest]
    for step in rest:
        if step == "$count":
            value = len(value) if isinstance(value, list) else 0
        elif isinstance(value, Mapping):
            value = next((value[name] for name in value if name.lower() == step.lower()), None)
        else:
            return None
    return value


@dataclass
class _Parser:
    """Recursive descent, one method per level of precedence."""

    tokens: list[str]
    functions: dict[str, Callable[[Mapping[str, Any], str], bool]]
    words: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    terms: int = 1
    depth: int = 0
    at: int = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            message = f"'{expected or 'more'}' is expected, not '{token}'"
            raise FilterError(message)
        self.at += 1
        return token

    def accept(self, word: str) -> bool:
        if self.peek().lower() != word:
            return False
        self.words.add(word)
        self.at += 1
        return True

    def disjunction(self) -> Test:
        tests = [self.conjunction()]
        while self.accept("or"):
            tests.append(self.conjunction())
        self.terms = max(self.terms, len(tests))
        return tests[0] if len(tests) == 1 else lambda scope: any(test(scope) for test in tests)

    def conjunction(self) -> Test:
        tests = [self.negation()]
        while self.accept("and"):
            tests.append(self.negation())
        return tests[0] if len(tests) == 1 else lambda scope: all(test(scope) for test in tests)

    def negation(self) -> Test:
        self.depth += 1
        if self.depth > _DEEPEST:
            message = f"it is nested deeper than {_DEEPEST} levels"
            raise FilterError(message)
        if self.accept("not"):
            test = self.negation()
            self.depth -= 1
            return lambda scope: not test(scope)
        if self.accept("("):
            test = self.disjunction()
            self.take(")")
            self.depth -= 1
            return test
        self.depth -= 1
        return self.comparison()

    def comparison(self) -> Test:
        path = self.take()
        if self.peek() == "(":
            return self.call(path)
        self.words.update(step.lower() for step in path.split("/"))
        self.about(path)
        word = self.take().lower()
        self.words.add(word)
        if word == "in":
            wanted = [_folded(value) for value in self.literals()]
            return lambda scope: _folded(_value(path, scope)) in wanted
        if word not in _ORDER:
            message = f"the operator '{word}' is not known"
            raise FilterError(message)
        compare, literal = _ORDER[word], _folded(self.literal())

        def test(scope: Mapping[str, Any]) -> bool:
            try:
                return compare(_folded(_value(path, scope)), literal)
            except TypeError:
                return False

        return test

    def call(self, name: str) -> Test:
        self.take("(")
        collection, _, last = name.rpartition("/")
        kind = (last or name).lower()
        self.words.add(kind)
        if collection and kind in ("any", "all"):
            return self.quantified(collection, any if kind == "any" else all)
        if kind in _TEXT:
            path, _, literal = self.take(), self.take(","), _folded(self.literal())
            self.take(")")
            self.about(path)
            compare = _TEXT[kind]
            return lambda scope: _compares(compare, _folded(_value(path, scope)), literal)
        if kind in self.functions:
            argument = "" if self.peek() == ")" else str(self.literal())
            self.take(")")
            function = self.functions[kind]
            return lambda scope: function(scope["$it"], argument)
        message = f"the function '{name}' is not known"
        raise FilterError(message)

    def quantified(self, collection: str, quantifier: Callable[[Any], bool]) -> Test:
        self.words.add(collection.lower())
        self.about(collection)
        if self.peek() == ")":
            self.take()
            return lambda scope: bool(_elements(_value(collection, scope)))
        variable = self.take()
        self.variables.add(variable.lower())
        self.take(":")
        test = self.disjunction()
        self.take(")")
        return lambda scope: quantifier(
            test({**scope, variable: element}) for element in _elements(_value(collection, scope))
        )

    def about(self, path: str) -> None:
        self.members.add(path.partition("/")[0].lower())

    def literals(self) -> list[Any]:
        self.take("(")
        values = [self.literal()]
        while self.peek() == ",":
            self.take()
            values.append(self.literal())
        self.take(")")
        self.terms = max(self.terms, len(values))
        return values

    def literal(self) -> Any:
        token = self.take()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.lower() in _CONSTANTS:
            return _CONSTANTS[token.lower()]
        return int(token) if token.isdecimal() else token
