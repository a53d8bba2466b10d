"""Reading many directory objects with few requests: filters, pages, expansion, batches."""

from __future__ import annotations

from typing import Any

import pytest
from simulated_cloud import Cloud, code

from simulator.azure.odata import FilterError, parse

ITEM = {
    "displayName": "O'Brien's app",
    "tags": ["mark", "team:shop"],
    "appId": "abc",
    "enabled": True,
    "note": None,
    "properties": {"roleName": "Reader"},
    "federatedIdentityCredentials": [{"subject": "system:serviceaccount:shop:a"}, {"subject": "x"}],
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("displayName eq 'o''brien''s APP'", True),
        ("displayName ne 'x'", True),
        ("appId in ('x', 'abc')", True),
        ("appId in ('x')", False),
        ("enabled eq true", True),
        ("note eq null", True),
        ("startswith(displayName,'O''B')", True),
        ("startsWith(note,'O')", False),
        ("endswith(displayName,'app') and contains(displayName,'rien')", True),
        ("tags/any(t:t eq 'mark')", True),
        ("tags/any(t: t eq 'other')", False),
        ("tags/all(t:startswith(t,'m'))", False),
        ("tags/any()", True),
        ("missing/any(t:t eq 'x')", False),
        ("federatedIdentityCredentials/any(f:startsWith(f/subject,'system:serviceaccount:'))", True),
        ("federatedIdentityCredentials/$count eq 2", True),
        ("federatedIdentityCredentials/$count gt 2", False),
        ("note gt 2", False),
        ("not (appId eq 'abc') or properties/roleName eq 'reader'", True),
        ("appId eq 'x' or appId eq 'abc' and enabled eq false", False),
        ("(appId eq 'x' or appId eq 'abc') and enabled eq true", True),
    ],
)
def test_a_filter_means_what_odata_says(text: str, expected: bool) -> None:
    assert parse(text).matches(ITEM) is expected


@pytest.mark.parametrize(
    "text",
    ["", "appId", "appId eq", "appId like 'x'", "appId eq 'x' 'y'", "(appId eq 'x'", "near(appId,'x')", "a eq 'x"],
)
def test_a_filter_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse(text)


async def make(cloud: Cloud, count: int) -> None:
    for number in range(count):
        tags = ["mark"] if number % 2 else []
        await cloud.graph("POST", "/applications", {"displayName": f"page-{number}", "tags": tags})


def names(answer: Any) -> list[str]:
    return [one["displayName"] for one in answer.json()["value"]]


async def test_applications_are_found_by_our_mark_with_their_credentials(calm: Cloud) -> None:
    await make(calm, 2)
    marked = (await calm.graph("GET", "/applications?$filter=tags/any(t:t eq 'mark')")).json()["value"][0]
    for number in range(20):
        assert (await calm.federate(marked, name=f"fic-{number}", subject=f"s{number}")).status_code == 201
    query = "$filter=tags/any(t:t%20eq%20%27mark%27)&$select=id,tags&$expand=federatedIdentityCredentials&$top=999"
    found = await calm.graph("GET", f"/applications?{query}")
    assert [sorted(one) for one in found.json()["value"]] == [["federatedIdentityCredentials", "id", "tags"]]
    assert len(found.json()["value"][0]["federatedIdentityCredentials"]) == 20
    assert "@odata.nextLink" not in found.json()
    assert found.headers["x-ms-resource-unit"] == "2"


async def test_an_unmatched_filter_is_an_empty_list(calm: Cloud) -> None:
    answer = await calm.graph("GET", "/applications?$filter=appId eq 'nobody'")
    assert answer.json() == {
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications",
        "value": [],
    }


async def test_pages_follow_one_another(calm: Cloud) -> None:
    await make(calm, 5)
    page = await calm.graph("GET", "/applications?$filter=startswith(displayName,'page-')&$top=2")
    seen = names(page)
    while link := page.json().get("@odata.nextLink"):
        assert link.startswith("https://graph.microsoft.com/v1.0/applications?")
        page = await calm.graph("GET", link.removeprefix("https://graph.microsoft.com/v1.0"))
        seen += names(page)
    assert seen == [f"page-{number}" for number in range(5)]


async def test_the_largest_page_has_999(calm: Cloud) -> None:
    assert code(await calm.graph("GET", "/applications?$top=1000")) == (400, "Request_BadRequest")


@pytest.mark.parametrize(
    ("text", "terms", "accepted"),
    [
        ("appId in ({})", 15, True),
        ("appId in ({})", 16, False),
        ("{}", 15, True),
        ("{}", 16, False),
    ],
)
async def test_a_filter_takes_fifteen_terms(calm: Cloud, text: str, terms: int, accepted: bool) -> None:
    listed = ", ".join(f"'{number}'" for number in range(terms))
    chained = " or ".join(f"appId eq '{number}'" for number in range(terms))
    answer = await calm.graph("GET", f"/applications?$filter={text.format(listed if 'in' in text else chained)}")
    if accepted:
        assert answer.status_code == 200
    else:
        assert code(answer) == (400, "Request_UnsupportedQuery")


async def test_advanced_filters_need_eventual_consistency_and_a_count(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    await calm.federate(app)
    query = "$filter=federatedIdentityCredentials/any(f:startsWith(f/subject,'system:serviceaccount:shop'))"
    assert code(await calm.graph("GET", f"/applications?{query}")) == (400, "Request_UnsupportedQuery")
    found = await calm.graph("GET", f"/applications?$count=true&{query}", ConsistencyLevel="eventual")
    assert (names(found), found.json()["@odata.count"]) == (["app"], 1)


def step(number: int, url: str, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "method": "GET", "url": url} | more


async def test_a_batch_answers_every_request_with_its_own_status(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    body = {"displayName": "batched"}
    write = {"method": "POST", "body": body, "headers": {"Content-Type": "application/json"}}
    steps = [
        step(1, f"/applications/{app['id']}?$select=displayName"),
        step(2, "/applications/nobody"),
        step(3, "/applications", **write),
        step(4, "/applications?$filter=displayName eq 'batched'", dependsOn=["3"]),
        step(5, "/organization", dependsOn=["2"]),
    ]
    answers = (await calm.graph("POST", "/$batch", {"requests": steps})).json()["responses"]
    found = {one["id"]: one for one in answers}
    assert {key: one["status"] for key, one in found.items()} == {"1": 200, "2": 404, "3": 201, "4": 200, "5": 424}
    assert found["1"]["body"]["displayName"] == "app"
    assert found["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert [one["displayName"] for one in found["4"]["body"]["value"]] == ["batched"]


async def test_the_log_tells_each_step_of_a_batch(calm: Cloud) -> None:
    journal = calm.simulation.journal
    written = len(journal.writing())
    write = {"method": "POST", "body": {"displayName": "x"}, "headers": {"Content-Type": "application/json"}}
    headers = await calm.bearer("https://graph.microsoft.com")
    body = {"requests": [step(1, "/applications/nobody"), step(2, "/applications", **write)]}
    await calm.graph("POST", "/$batch", body, **headers, **{"User-Agent": "judge/1 more"})
    assert [(entry.method, entry.path, entry.status, entry.caller) for entry in journal.steps] == [
        ("GET", "/v1.0/applications/nobody", 404, "judge/1"),
        ("POST", "/v1.0/applications", 201, "judge/1"),
    ]
    assert len(journal.writing()) == written + 1


async def test_a_batched_deletion_has_no_body(calm: Cloud) -> None:
    app, _ = await calm.make_application()
    steps = [{"id": "a", "method": "DELETE", "url": f"/applications/{app['id']}"}]
    answer = (await calm.graph("POST", "/$batch", {"requests": steps})).json()["responses"][0]
    assert (answer["status"], "body" in answer) == (204, False)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [step(number, "/me") for number in range(21)],
        [step(1, "/me"), step(1, "/me")],
        [step(1, "/me", dependsOn=["2"]), step(2, "/me")],
        [{"id": "1"}],
    ],
)
async def test_a_batch_that_breaks_the_rules_is_refused_whole(calm: Cloud, steps: list[Any]) -> None:
    assert (await calm.graph("POST", "/$batch", {"requests": steps})).status_code == 400
