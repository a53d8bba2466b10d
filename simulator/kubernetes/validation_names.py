"""How names, labels and other short texts of an object must be spelled."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from typing import Any

from .errors import Cause

Json = dict[str, Any]
Causes = Iterator[Cause]

_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_NAME = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")

_MUST_BE_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_MUST_BE_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_MUST_BE_LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_MUST_BE_LABEL_NAME = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_MUST_BE_DATA_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    "or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_LONGEST_SUBDOMAIN, _LONGEST_LABEL = 253, 63
_LARGEST_PORT = 65535


def quoted(value: Any) -> str:
    """A value as messages show it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def dns_label(field: str, name: str) -> Causes:
    """What is wrong with a name that must be a DNS label."""
    if len(name) > _LONGEST_LABEL:
        yield Cause.invalid(field, quoted(name), f"must be no more than {_LONGEST_LABEL} characters")
    elif not _LABEL.fullmatch(name):
        yield Cause.invalid(field, quoted(name), _MUST_BE_LABEL)


def label_set(field: str, labels: Json) -> Causes:
    """What is wrong with the names and values of labels."""
    for key, value in labels.items():
        yield from qualified(field, key)
        yield from label_value(field, value)


def label_value(field: str, value: str) -> Causes:
    """What is wrong with the value of a label."""
    if len(value) > _LONGEST_LABEL:
        yield Cause.invalid(field, quoted(value), f"must be no more than {_LONGEST_LABEL} characters")
    elif not _LABEL_VALUE.fullmatch(value):
        yield Cause.invalid(field, quoted(value), _MUST_BE_LABEL_VALUE)


def qualified(field: str, key: str) -> Causes:
    """What is wrong with the name of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.fullmatch(prefix):
        yield Cause.invalid(field, quoted(key), f"prefix part {_MUST_BE_SUBDOMAIN}")
    if len(name) > _LONGEST_LABEL:
        yield Cause.invalid(field, quoted(key), f"name part must be no more than {_LONGEST_LABEL} characters")
    elif not _LABEL_NAME.fullmatch(name):
        yield Cause.invalid(field, quoted(key), _MUST_BE_LABEL_NAME)


def dns_subdomain(field: str, name: str) -> Causes:
    """What is wrong with a name that must be a DNS subdomain."""
    if len(name) > _LONGEST_SUBDOMAIN:
        yield Cause.invalid(field, quoted(name), f"must be no more than {_LONGEST_SUBDOMAIN} characters")
    elif not _SUBDOMAIN.fullmatch(name):
        yield Cause.invalid(field, quoted(name), _MUST_BE_SUBDOMAIN)


def data_key(field: str, key: str) -> Causes:
    """What is wrong with a key of a ConfigMap or Secret."""
    if not _DATA_KEY.fullmatch(key):
        yield Cause.invalid(field, quoted(key), _MUST_BE_DATA_KEY)


def port(field: str, number: int) -> Causes:
    """What is wrong with the number of a port."""
    if not 0 < number <= _LARGEST_PORT:
        yield Cause.invalid(field, str(number), "must be between 1 and 65535, inclusive")


def address(field: str, text: str) -> Causes:
    """What is wrong with an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        yield Cause.invalid(field, quoted(text), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
