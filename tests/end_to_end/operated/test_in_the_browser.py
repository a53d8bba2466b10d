"""A person with a browser: opens the deployment, fills its form, agrees to the plan, and looks at what came of it.

Real Chromium on the real UI; ``SCREENSHOTS=PATH`` keeps what it saw, and so the README's pictures are made.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from desk import Desk
from playwright.async_api import Locator, Page, async_playwright, expect

pytestmark = [pytest.mark.operated, pytest.mark.asyncio(loop_scope="package")]
_SECONDS = 60


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def page(desk: Desk) -> AsyncIterator[Page]:
    browser = shutil.which("chromium")
    assert browser, "there is no chromium: make ui-test installs it"
    expect.set_options(timeout=_SECONDS * 1000)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--no-proxy-server"])
        page = await chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(_SECONDS * 1000)
        yield page
        await chromium.close()


async def pictured(page: Page, name: str) -> None:
    """Keep what is on the screen, where somebody wants it."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.wait_for_timeout(700)  # until nothing moves any more
        await page.screenshot(path=Path(folder) / f"{name}.png")


def ui(desk: Desk) -> str:
    return desk.api.url.removesuffix("/api")


def field(page: Page, title: str) -> Locator:
    """A field of a form, by its title."""
    return page.locator(".schema-form-property", has=page.get_by_text(title, exact=False)).last


async def open_form(page: Page, desk: Desk) -> None:
    await page.goto(f"{ui(desk)}/deployments")
    await page.get_by_text("on-demand").first.click()
    await page.wait_for_url(re.compile("/deployments/deployment/"))
    await page.get_by_role("button", name="Run", exact=True).click()
    await page.get_by_text("Custom run").click()
    await expect(page.get_by_text("Minutes to decide")).to_be_visible()


async def submitted(page: Page) -> None:
    """Press Submit, again where the server's SQLite was busy, as a person would."""
    for _ in range(5):
        await page.get_by_role("button", name="Submit").click()
        try:
            await expect(page).to_have_url(re.compile(r"/deployments/deployment/[^/]+$"), timeout=10_000)
        except AssertionError:
            continue
        return
    raise AssertionError("the form was never taken")


async def test_a_wrong_value_is_refused_by_the_form(page: Page, desk: Desk) -> None:
    await open_form(page, desk)
    await expect(page.get_by_text("Pause after the plan, and go on only when a person has agreed")).to_be_visible()
    await field(page, "Minutes to decide").locator("input").fill("0")
    await page.get_by_role("button", name="Submit").click()
    await expect(page.get_by_text("a number of minutes above 0 and up to 10080").first).to_be_visible()
    assert page.url.partition("?")[0].endswith("/run")


async def test_a_run_is_begun_agreed_to_and_watched(page: Page, desk: Desk) -> None:
    await open_form(page, desk)
    await pictured(page, "form")
    await expect(field(page, "Ask before changing").get_by_role("switch")).to_have_attribute("aria-checked", "true")
    await submitted(page)
    (run,) = await desk.api.filtered("/flow_runs/filter", deployments={"name": {"any_": ["on-demand"]}})
    await desk.asking(run["id"])
    await page.goto(f"{ui(desk)}/runs/flow-run/{run['id']}")
    await page.get_by_role("button", name="Resume").first.click()
    await expect(page.get_by_text("Apply this plan of sysadminas-demo?")).to_be_visible()
    await pictured(page, "question")
    await field(page, "Apply this plan").get_by_role("switch").click()
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator(".state-badge, .p-tag", has_text="Completed").first).to_be_visible()
    await pictured(page, "run")


async def test_the_plan_is_there_to_be_looked_at(page: Page) -> None:
    await page.get_by_role("tab", name="Artifacts").or_(page.get_by_text("Artifacts", exact=True)).first.click()
    await page.get_by_text("plan-sysadminas-demo").last.click()
    await expect(
        page.get_by_text("register application sysadminas-aad-workload-identity-demo-app").first
    ).to_be_visible()
    await expect(page.get_by_text("oidc_issuer: off → on").first).to_be_visible()
    await pictured(page, "plan")


@pytest.mark.parametrize(
    ("artifact", "telling"),
    [
        ("health-sysadminas-demo", "1 of 1 workloads are well"),
        ("history-sysadminas-demo", "sysadminas-demo, its first run"),
    ],
)
async def test_the_fleets_health_is_there_to_be_looked_at(page: Page, desk: Desk, artifact: str, telling: str) -> None:
    await page.goto(f"{ui(desk)}/artifacts/key/{artifact}")
    await expect(page.get_by_text(telling).first).to_be_visible()
    await page.locator("a[href*='/artifacts/artifact/']").first.click()
    await page.wait_for_url(re.compile("/artifacts/artifact/"))
    await expect(page.get_by_text(telling).first).to_be_visible()
    await pictured(page, artifact.partition("-")[0])
