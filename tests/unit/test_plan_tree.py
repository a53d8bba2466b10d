"""A plan as a person sees it: on a terminal, and in a file."""

from __future__ import annotations

import io
import time

from rich.console import Console

from fleet.changes import Plan
from fleet.findings import Finding
from fleet.observed import Observed
from fleet.plan import plan
from fleet.spec import Fleet
from fleet.teardown import plan_teardown
from flows.console import show_plan

from .worlds import a_fleet, aks, application, as_wanted, changed, deployment, empty, unseen, vault, workload

ISSUER = "https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1111-111111111111/wrong/"


def printed(planned: Plan, *, terminal: bool = False, done: bool = False, failed: str = "") -> str:
    """What is shown of a plan, without colours."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=terminal, color_system=None, width=80 if terminal else 10_000, highlight=False
    )
    show_plan(console, planned, "Plan of testing", done=done, failed=(failed,))
    return file.getvalue()


def many(workloads: int) -> Fleet:
    """Workloads that look alike, each with an identity of its own."""
    numbers = range(workloads)
    return a_fleet(
        identities=[application(f"app-{number}") for number in numbers],
        workloads=[workload(f"account-{number}", identity=f"app-{number}") for number in numbers],
    )


def drifted() -> tuple[Fleet, Observed]:
    """Something to create, something to update, something held."""
    fleet = a_fleet(
        clusters=[aks("one"), aks("two")],
        workloads=[workload(clusters=["one"], deployment=deployment()), workload("b", clusters=["two"])],
    )
    world = changed(as_wanted(fleet), "federated-credential", issuer=ISSUER)
    return fleet, unseen(world, "kubernetes:two", "it did not answer")


def test_fields_stand_below_their_change_and_changes_below_whom_they_are_for() -> None:
    assert printed(plan(*drifted())) == (
        "Plan of testing\n"
        "├── cluster two\n"
        "│   └── held webhook:two: it did not answer\n"
        "├── namespace space\n"
        "│   └── held namespace:two/space: it did not answer\n"
        "├── workload space/account on one\n"
        "│   └── ~ federate space/account on one\n"
        f"│         issuer  {ISSUER} → https://issuer.example/one/old/\n"
        "└── workload space/b\n"
        "    └── held service-account:two/space/b: waits for namespace:two/space\n"
        "\n"
        "1 to update, 3 held\n"
    )


def test_on_a_terminal_a_long_value_goes_on_below_its_beginning() -> None:
    shown = printed(plan(*drifted()), terminal=True)
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert (
        "│         issuer  https://westeurope.oic.prod-aks.azure.com/11111111-1111-1111-1\n"
        "│                 111-111111111111/wrong/ → https://issuer.example/one/old/\n"
    ) in shown


def test_nothing_to_change_is_one_line() -> None:
    fleet = a_fleet()
    assert printed(plan(fleet, as_wanted(fleet))) == "Nothing to change.\n"


def test_what_looks_alike_is_folded_on_a_terminal_and_complete_in_a_file() -> None:
    planned = plan(many(9), empty())
    folded, complete = printed(planned, terminal=True), printed(planned)
    assert folded.count("\n├── workload ") == 2
    assert folded.endswith("└── … and 7 more workloads like this\n\n51 to create\n")
    assert complete.count("── workload ") == 9
    assert "more" not in complete


def test_what_is_unlike_the_others_is_not_folded_with_them() -> None:
    fleet = many(9)
    world = as_wanted(fleet)
    ours = [found for found in world.found if found.resource.kind != "service-account"]
    theirs = [found for found in world.found if found.resource.key == "service-account:one/space/account-7"]
    planned = plan(fleet, empty(found=(*ours, *theirs)))
    shown = printed(planned, terminal=True)
    assert "and 6 more workloads like this" in shown
    named = changed(empty(found=(*ours, *theirs)), "service-account", client_id="another")
    assert "── workload space/account-7 on one\n" in printed(plan(fleet, named), terminal=True)


def test_a_vault_of_many_secrets_is_folded_too() -> None:
    fleet = a_fleet(vaults=[vault(secrets=[f"secret-{number}" for number in range(9)])])
    shown = printed(plan(fleet, empty()), terminal=True)
    assert "│   └── … and 7 more like this\n" in shown
    assert "secret-8" not in shown


def test_what_failed_is_marked_and_not_counted_as_done() -> None:
    fleet, world = drifted()
    key = "federated-credential:app/one/space/account"
    shown = printed(plan(fleet, world), done=True, failed=key)
    assert "✗ federate space/account on one" in shown
    assert shown.endswith("\n3 held, 1 failed\n")
    assert printed(plan(fleet, world), done=True).endswith("\n1 updated, 3 held\n")


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    fleet = a_fleet(identities=[application("[red]app")], workloads=[workload(identity="[red]app")])
    assert "register application [red]app" in printed(plan(fleet, empty()))


def test_a_plan_of_a_thousand_workloads_is_shown_at_once() -> None:
    planned = plan(many(1_000), empty())
    before = time.process_time()
    shown = printed(planned, terminal=True)
    assert time.process_time() - before < 2  # some 0.1 s
    assert len(shown.splitlines()) < 100


# Beside the plan


def findings(count: int) -> list[Finding]:
    """So many that look alike."""
    return [
        Finding(
            key=f"application:old-{number}",
            what=f"application old-{number} is ours",
            danger="it outlives the fleet file",
            advice="--prune takes it away",
            prunable=True,
        )
        for number in range(count)
    ]


def test_what_was_found_beside_an_empty_plan_is_told_all_the_same() -> None:
    assert printed(Plan(fleet="testing", findings=tuple(findings(1)))) == (
        "Nothing to change.\n"
        "\n"
        "1 security finding beside this:\n"
        "! application old-0 is ours. Danger: it outlives the fleet file. --prune takes it away.\n"
    )


def test_on_a_terminal_only_some_of_many_findings_are_told_and_all_of_them_in_a_file() -> None:
    planned = Plan(fleet="testing", findings=tuple(findings(30)))
    assert printed(planned).count("\n! ") == 30
    shown = printed(planned, terminal=True)
    assert shown.count("\n! ") == 10
    assert shown.endswith("… and 20 more, all of them with --json\n")


def test_what_goes_after_a_proof_is_read_after_what_comes_first_and_says_so() -> None:
    fleet = a_fleet()
    world = changed(as_wanted(fleet), "cluster", outputs={"issuer": "https://issuer.example/rebuilt/"})
    shown = printed(plan(fleet, world))
    assert "+ federate space/account on one\n" in shown
    assert shown.splitlines()[-3].endswith("  is replaced, after the new one is proven")
    assert shown.endswith("\n1 to create, 1 to delete\n")


def test_what_is_kept_for_now_is_neither_done_nor_failed() -> None:
    fleet = a_fleet()
    world = changed(as_wanted(fleet), "cluster", outputs={"issuer": "https://issuer.example/rebuilt/"})
    planned = plan(fleet, world)
    file = io.StringIO()
    show_plan(
        Console(file=file, width=200), planned, "Applied", done=True, waiting={planned.changes[-1].key: "unproven"}
    )
    assert "· remove federated-credential" in file.getvalue()
    assert file.getvalue().endswith("\n1 created, 1 kept for now\n")


def test_what_is_released_says_that_it_stays() -> None:
    fleet = a_fleet()
    planned = plan_teardown(fleet, changed(as_wanted(fleet), "application", adopted=True))
    assert "↩ release application app  was there before the fleet, and stays\n" in printed(planned)


def test_a_container_reads_the_same_once_a_plan_was_written_down() -> None:
    planned = plan(a_fleet(), empty())
    assert "containers       main (image:1)\n" in printed(planned)
    assert printed(Plan.model_validate_json(planned.model_dump_json())) == printed(planned)
