"""The rules that only a client comes to apply which breaks the protocol, or asks for what no program asks for.

The simulator's own tests of its wire contract notice them, and nobody else can. Each is named as the run prints it,
with why no flow and no real client gets there. The run fails where one of those notices all the same.
"""

from __future__ import annotations

RUDE: dict[str, str] = {
    "kubernetes: what is wrong with YAML (says nothing)": (
        "kubectl and helm turn YAML into JSON before they send it, and the SDKs take no text: what is broken never "
        "leaves them. Only who writes the request by hand sends YAML."
    ),
    "kubernetes: a YAML of too many aliases is refused (leaves it as it is)": (
        "For the same reason: the JSON that clients send has no aliases."
    ),
    "kubernetes: documents have a limit of depth (leaves it as it is)": (
        "No object of Kubernetes is a hundredth as deep; only who means harm sends such a document."
    ),
    "kubernetes: OpenAPI is not for browsers (always says yes)": (
        "kubectl and helm ask for JSON or protobuf, and browsers take anything besides HTML. Refused is who takes HTML "
        "alone."
    ),
}
