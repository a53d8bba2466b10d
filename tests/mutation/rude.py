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
}
