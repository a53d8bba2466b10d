"""What a field of a fleet file may hold: strings that keep Azure's and Kubernetes' rules, and their model."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from . import lookalikes, naming
from .problems import wrong


class Model(BaseModel):
    """Frozen, and deaf to nothing: an unknown field is an error, not a silent wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def defaulted(*fields: str) -> ConfigDict:
    """Fields that need not be written in every entry, since the fleet's defaults may bring them."""

    def relax(schema: dict[str, Any]) -> None:
        schema["required"] = [field for field in schema["required"] if field not in fields]

    return ConfigDict(json_schema_extra=relax)


def _matching(pattern: re.Pattern[str], allowed: str) -> AfterValidator:
    """Accepts strings of this pattern; the message of a refusal says what is allowed, and which letter is not one."""

    def check(value: str) -> str:
        strange = lookalikes.strange(value)
        if not pattern.fullmatch(value):
            raise wrong(f"{value!r} is not allowed here: {allowed}" + (f"; {strange}" if strange else ""))
        if lookalikes.INVISIBLE.search(value):
            raise wrong(f"{value!r} is not allowed here: {strange}")
        return value

    return AfterValidator(check)


Name = Annotated[
    str,
    _matching(naming.RESOURCE_NAME, "1 to 90 letters, digits, dots, dashes, underscores, parentheses"),
    Field(json_schema_extra={"pattern": naming.RESOURCE_NAME.pattern}),
]
DisplayName = Annotated[
    str,
    _matching(naming.DISPLAY_NAME, "1 to 90 characters without quotes, slashes, colons"),
    Field(json_schema_extra={"minLength": 1, "maxLength": 90}),
]
DnsLabel = Annotated[
    str,
    _matching(naming.DNS_LABEL, "1 to 63 lower-case letters, digits, dashes, a letter or digit at both ends"),
    Field(json_schema_extra={"pattern": naming.DNS_LABEL.pattern}),
]
DnsSubdomain = Annotated[
    str,
    _matching(
        naming.DNS_SUBDOMAIN, "1 to 253 lower-case letters, digits, dashes, dots, a letter or digit at both ends"
    ),
    Field(json_schema_extra={"pattern": naming.DNS_SUBDOMAIN.pattern}),
]
VaultName = Annotated[
    str,
    _matching(
        naming.VAULT_NAME, "3 to 24 letters, digits, dashes; starts with a letter, ends with a letter or digit, no --"
    ),
    Field(json_schema_extra={"pattern": naming.VAULT_NAME.pattern}),
]
SecretName = Annotated[
    str,
    _matching(naming.SECRET_NAME, "1 to 127 letters, digits, dashes"),
    Field(json_schema_extra={"pattern": naming.SECRET_NAME.pattern}),
]
Location = Annotated[
    str,
    _matching(naming.LOCATION, "Azure's short name of a region, such as westeurope"),
    Field(json_schema_extra={"pattern": naming.LOCATION.pattern}),
]
FleetName = Annotated[
    str,
    _matching(naming.FLEET_NAME, "1 to 40 lower-case letters, digits, dashes, a letter or digit at both ends"),
    Field(json_schema_extra={"pattern": naming.FLEET_NAME.pattern}),
]
ParameterName = Annotated[
    str,
    _matching(naming.PARAMETER_NAME, "letters, digits, underscores, no digit first"),
    Field(json_schema_extra={"pattern": naming.PARAMETER_NAME.pattern}),
]
