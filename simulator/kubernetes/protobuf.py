"""Reading the protobuf bodies that kubectl and helm send. Answers are always JSON, which both accept."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from simulator.provenance import Provenance, rule

from .encoding import timestamp
from .errors import bad_request
from .protobuf_messages import MESSAGES

Json = dict[str, Any]

MAGIC = b"k8s\x00"

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5


@rule("kubernetes", "protobuf request bodies", Provenance.RECORDED, "kubernetes/client-traffic.yaml protobuf")
def decode(body: bytes) -> Json:
    """A request body in the Kubernetes protobuf envelope as the JSON object that it stands for."""
    if not body.startswith(MAGIC):
        raise bad_request("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    try:
        envelope = _message("Unknown", body[len(MAGIC) :])
        kind = envelope["typeMeta"].get("kind", "")
        if kind not in MESSAGES:
            raise bad_request(f"the simulator cannot read {kind} as protobuf")
        return {**envelope["typeMeta"], **_message(kind, envelope.get("raw", b""))}
    except (IndexError, KeyError, OverflowError, OSError, UnicodeDecodeError):
        raise bad_request("unexpected EOF") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return value, at


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
        elif wire == _DELIMITED:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise IndexError
            yield tag >> 3, data[at : at + length]
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise IndexError


def _message(name: str, data: bytes) -> Json:
    result: Json = {}
    for number, value in _fields(data):
        if number not in MESSAGES[name]:
            raise bad_request(f"the simulator cannot read field {number} of {name} as protobuf")
        label, kind = MESSAGES[name][number]
        if kind == "dropped":
            continue
        if isinstance(value, int) is not kind.startswith(("bool", "int")):
            raise bad_request(f"proto: wrong wireType for field {number} of {name}")
        if kind[0] == "[":
            result.setdefault(label, []).append(_value(kind[1:-1], value))
        elif kind[0] == "{":
            entry = {key: part for key, part in _fields(value) if isinstance(part, bytes)}
            result.setdefault(label, {})[entry.get(1, b"").decode()] = _value(kind[1:-1], entry.get(2, b""))
        else:
            result[label] = _value(kind, value)
    # Go writes empty strings and zero times; JSON leaves them out.
    return {label: value for label, value in result.items() if value not in ("", None)}


def _value(kind: str, value: Any) -> Any:
    """One value, None for what is left out of JSON."""
    if kind == "str":
        return value.decode()
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind.startswith("bool"):
        return bool(value) or (None if kind == "bool0" else False)
    if kind.startswith("int"):
        number = value - (1 << 64) if value >= 1 << 63 else value
        return None if kind == "int0" and number == 0 else number
    if kind == "raw":
        return value
    message = _message(kind, value)
    if kind == "Time":
        return timestamp(datetime.fromtimestamp(message["seconds"], UTC)) if message else None
    if kind == "IntOrString":
        return message.get("strVal", "") if message.get("type") else message.get("intVal", 0)
    return message
