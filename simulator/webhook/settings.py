"""How a webhook process is configured: its environment and arguments, read and refused as the real program does."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.provenance import Provenance, rule

ANNOTATIONS = "azure.workload.identity/"
"""Prefix of every label and annotation that the webhook knows."""
DEFAULT_AUDIENCE = "api://AzureADTokenExchange"

_IMAGES = "mcr.microsoft.com/oss/azure/workload-identity"
_RELEASE = "v1.6.0"
_AUTHORITY_HOSTS = {
    "": "https://login.microsoftonline.com/",
    "AZURECLOUD": "https://login.microsoftonline.com/",
    "AZUREPUBLICCLOUD": "https://login.microsoftonline.com/",
    "AZUREUSGOVERNMENT": "https://login.microsoftonline.us/",
    "AZUREUSGOVERNMENTCLOUD": "https://login.microsoftonline.us/",
    "AZURECHINACLOUD": "https://login.chinacloudapi.cn/",
    "AZUREGERMANCLOUD": "https://login.microsoftonline.de/",
}
_LABEL_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"


class StartupFailure(Exception):
    """The process ends before it serves. ``exit_code`` is 2 for a panic, 1 for an orderly refusal."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    @classmethod
    def panic(cls, reason: str) -> StartupFailure:
        """What the program prints when it cannot build its pod mutator."""
        return cls(2, f"panic: unable to set up pod mutator: {reason}")


@dataclass(frozen=True)
class CustomTokenEndpoint:
    """Where pods that ask for it exchange their token instead of Entra (an identity binding of AKS)."""

    annotation: str
    """The pod annotation that switches it on when it is "true" in any case."""
    audience: str
    environment: tuple[tuple[str, str], ...]
    """Variables for the containers, in order; empty values are not injected."""
    authority_source: Mapping[str, object] | None
    """A further source of the projected volume that brings the endpoint's certificate authority."""


@dataclass(frozen=True)
class Settings:
    """A running webhook's configuration."""

    tenant_id: str
    authority_host: str
    audience: str = DEFAULT_AUDIENCE
    log_level: str = "info"
    proxy_image: str = f"{_IMAGES}/proxy:{_RELEASE}"
    proxy_init_image: str = f"{_IMAGES}/proxy-init:{_RELEASE}"
    custom_token_endpoint: CustomTokenEndpoint | None = None


@rule("webhook", "configuration is validated at start", Provenance.RECORDED, "admission.yaml startup_failures")
def read_settings(environment: Mapping[str, str], arguments: Sequence[str]) -> Settings:
    """The configuration of a process started with these, or :class:`StartupFailure` with what it would print."""
    flags = _flags(arguments)
    tenant_id = _tenant_id(environment)
    return Settings(
        tenant_id=tenant_id,
        authority_host=_authority_host(environment.get("AZURE_ENVIRONMENT", "")),
        audience=flags.get("audience") or DEFAULT_AUDIENCE,
        log_level=flags.get("log-level", ""),
        proxy_image=environment.get("PROXY_IMAGE") or Settings.proxy_image,
        proxy_init_image=environment.get("PROXY_INIT_IMAGE") or Settings.proxy_init_image,
        custom_token_endpoint=_custom_token_endpoint(environment, flags),
    )


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """``--name=value`` arguments; of a repeated flag the last one holds."""
    flags = dict(argument.lstrip("-").split("=", 1) for argument in arguments if "=" in argument)
    if flags.get("log-level", "") not in ("", "info", "debug", "trace", "all"):
        valid = "valid choices are the empty string, info, debug, trace and all"
        raise StartupFailure(1, f"invalid --log-level set: invalid log level, {valid}")
    if flags.get("tls-min-version", "1.3") not in ("1.0", "1.1", "1.2", "1.3"):
        reason = "invalid TLS version. Must be one of: 1.0, 1.1, 1.2, 1.3"
        raise StartupFailure(1, f"entrypoint: unable to parse TLS version: {reason}")
    if (backend := flags.get("metrics-backend", "prometheus")) != "prometheus":
        reason = f"unsupported metrics backend: {backend}"
        raise StartupFailure(1, f"entrypoint: failed to initialize metrics exporter: {reason}")
    return flags


def _tenant_id(environment: Mapping[str, str]) -> str:
    if "AZURE_TENANT_ID" not in environment:
        raise StartupFailure.panic("required key AZURE_TENANT_ID missing value")
    if not environment["AZURE_TENANT_ID"]:
        raise StartupFailure.panic("AZURE_TENANT_ID is required")
    return environment["AZURE_TENANT_ID"]


@rule("webhook", "authority host by cloud name, any case", Provenance.RECORDED, "admission.yaml authority_host")
def _authority_host(cloud: str) -> str:
    name = cloud.upper()
    if name == "AZURESTACKCLOUD":
        raise StartupFailure.panic("failed to get AAD endpoint: open : no such file or directory")
    if name not in _AUTHORITY_HOSTS:
        reason = f'autorest/azure: There is no cloud environment matching the name "{name}"'
        raise StartupFailure.panic(f"failed to get AAD endpoint: {reason}")
    return _AUTHORITY_HOSTS[name]


@rule("webhook", "custom token endpoint", Provenance.RECORDED, "admission.yaml custom_token_endpoint")
def _custom_token_endpoint(environment: Mapping[str, str], flags: Mapping[str, str]) -> CustomTokenEndpoint | None:
    source = _authority_source(environment)
    suffix = flags.get("custom-token-endpoint-annotation-suffix", "")
    audience = flags.get("custom-token-endpoint-audience", "")
    if not suffix and not audience:
        return None
    if not audience:
        raise StartupFailure.panic("custom token endpoint audience cannot be empty when annotation suffix is set")
    if not suffix:
        raise StartupFailure.panic("custom token endpoint annotation suffix cannot be empty when audience is set")
    if audience.lower() == DEFAULT_AUDIENCE.lower():
        reason = f'custom token endpoint audience cannot be equal to default audience "{DEFAULT_AUDIENCE}"'
        raise StartupFailure.panic(reason)
    annotation = f"{ANNOTATIONS}use-{suffix}"
    if not re.fullmatch(_LABEL_NAME, f"use-{suffix}"):
        allowed = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
        examples = f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_LABEL_NAME}')"
        raise StartupFailure.panic(
            f'custom token endpoint annotation key "{annotation}" is not valid: '
            f"{allowed} alphanumeric character {examples}"
        )
    variables = (
        ("AZURE_KUBERNETES_TOKEN_PROXY", environment.get("AZURE_KUBERNETES_TOKEN_PROXY", "")),
        ("AZURE_KUBERNETES_SNI_NAME", environment.get("AZURE_KUBERNETES_SNI_NAME", "")),
        ("AZURE_KUBERNETES_CA_FILE", "/var/run/secrets/azure/wi/ca-cert/ca.crt"),
        ("AZURE_KUBERNETES_CA_DATA", environment.get("AZURE_KUBERNETES_CA_DATA", "")),
    )
    return CustomTokenEndpoint(annotation, audience, variables, source)


def _authority_source(environment: Mapping[str, str]) -> dict[str, object] | None:
    """The projected source of the endpoint's CA; at most one of the three ways of giving it may be used."""
    data, config_map, signer, selector = (
        environment.get(f"AZURE_KUBERNETES_CA_{name}", "")
        for name in ("DATA", "CONFIGMAP_NAME", "CTB_SIGNER_NAME", "CTB_LABEL_SELECTOR")
    )
    labels = _label_selector(selector)
    if sum(map(bool, (data, config_map, signer))) > 1:
        names = "AZURE_KUBERNETES_CA_DATA, AZURE_KUBERNETES_CA_CONFIGMAP_NAME or AZURE_KUBERNETES_CA_CTB_SIGNER_NAME"
        raise StartupFailure.panic(f"only one of {names} can be set")
    if selector and not signer:
        needed, given = "AZURE_KUBERNETES_CA_CTB_SIGNER_NAME", "AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR"
        raise StartupFailure.panic(f"{needed} needs to be set when {given} is set")
    if config_map:
        items = [{"key": "ca.crt", "path": "ca-cert/ca.crt"}]
        return {"configMap": {"name": config_map, "items": items, "optional": False}}
    if signer:
        bundle: dict[str, object] = {"signerName": signer, "path": "ca-cert/ca.crt", "optional": False}
        return {"clusterTrustBundle": bundle | ({"labelSelector": labels} if labels is not None else {})}
    return None


def _label_selector(text: str) -> dict[str, object] | None:
    if not text:
        return None
    try:
        selector: dict[str, object] = json.loads(text)
    except json.JSONDecodeError as error:
        variable = "assigning CONFIG_AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR to AzureKubernetesCACTBLabelSelector"
        conversion = f"converting '{text}' to type config.LabelSelectorPtr"
        reason = "unexpected end of JSON input" if error.pos >= len(text) else error.msg
        raise StartupFailure.panic(
            f"envconfig.Process: {variable}: {conversion}. details: failed to decode LabelSelector: {reason}"
        ) from error
    return selector
