"""What waits for a proof is told apart, also where some of it was carried out elsewhere."""

from __future__ import annotations

from fleet.changes import Action, Change
from fleet.resources import Namespace
from fleet.stages import after_proof, before_proof


def a_change(name: str, after: str = "", after_proof: str = "") -> Change:
    resource = Namespace(cluster="c", name=name, owner="shop")
    return Change(
        action=Action.DELETE,
        resource=resource,
        reason="",
        after=(after,) if after else (),
        after_proof=(after_proof,) if after_proof else (),
    )


FREE, BEHIND = a_change("free"), a_change("behind", after="namespace:c/elsewhere")


def test_what_comes_after_something_that_waits_elsewhere_waits_too() -> None:
    elsewhere = {"namespace:c/elsewhere": "stays until the chain of x is proven"}
    assert before_proof([FREE, BEHIND], elsewhere) == [FREE]
    ready, waiting = after_proof([FREE, BEHIND], proven=(), earlier=elsewhere)
    assert ready == []
    assert waiting == {BEHIND.key: "goes after namespace:c/elsewhere, which stays for now"}


def test_what_comes_after_something_that_was_done_elsewhere_waits_for_nothing() -> None:
    assert before_proof([FREE, BEHIND]) == [FREE, BEHIND]
    assert after_proof([FREE, BEHIND], proven=()) == ([], {})
