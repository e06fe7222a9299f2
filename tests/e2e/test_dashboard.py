"""The dashboard of the running daemon in a real browser: read, followed live, and steered by its buttons."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from controller.domain.vocabulary import Phase
from deploy.local.stack import free_port
from tests.browser.fixtures import Watched, watched
from tests.e2e.harness import Harness
from tests.e2e.policies import ENDLESS, step

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

ANN = "operator-token-of-the-browser-tests"
BEN = "reader-token-of-the-browser-tests"
LIVE_SECONDS = 2.0
"""How soon after the daemon a page must say it. The daemon itself looks each second."""
_PATIENCE_MS = 20_000


@pytest.fixture(scope="module")
def site(whole_harness: Harness, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the dashboard."""
    whole_harness.heal()
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"operate ann {ANN}\nread ben {BEN}\n")
    tokens.chmod(0o600)
    port = free_port()
    settings = {"SERINUS_API__PORT": str(port), "SERINUS_API__TOKEN_FILE": str(tokens)}
    with whole_harness.daemon_with_settings(settings):
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(loop_scope="session")
async def seen(browser: Browser, site: str) -> AsyncIterator[Watched]:
    """A window in which ann has signed in."""
    async with watched(browser) as opened:
        await sign_in(opened.page, site, ANN)
        yield opened
        assert opened.complaints == []
        assert {each for each in opened.requests if not each.startswith(site)} == set()


async def barriers(seen: Watched, picture: Path) -> list[str]:
    """What axe finds serious, in light and in dark."""
    found = []
    for scheme in ("light", "dark"):
        await seen.page.emulate_media(color_scheme=scheme)
        await seen.page.screenshot(path=picture.with_stem(f"{picture.stem}-{scheme}"), full_page=True)
        found += await seen.barriers()
    return found


async def sign_in(page: Page, site: str, token: str) -> None:
    page.set_default_timeout(_PATIENCE_MS)
    await page.goto(site)
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Models").wait_for()


async def shows(page: Page, text: str) -> float:
    """The instant, by the monotonic clock, at which the page shows it; never by a reload of ours."""
    await page.locator("main", has_text=text).wait_for()
    return time.monotonic()


async def to_thread(work: Callable[[], object]) -> float:
    """Wait for the daemon beside the browser; the instant at which it was so."""
    await asyncio.to_thread(work)
    return time.monotonic()


async def test_a_rollout_is_followed_to_its_promotion_without_a_reload(
    harness: Harness, seen: Watched, site: str, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    model = await asyncio.to_thread(harness.model, (step("20%", "3s"), step("50%", "3s")))
    page = seen.page
    with harness.traffic(model):
        rollout = await asyncio.to_thread(harness.deploy, model, "v2")
        await page.goto(f"{site}/?q={model}")
        await page.get_by_role("link", name=model, exact=True).click()
        await shows(page, "20% of the requests")
        told, shown = await asyncio.gather(
            to_thread(lambda: harness.until_status(rollout, lambda each: each.weight == 50, "at 50 %")),
            shows(page, "50% of the requests"),
        )
        assert shown - told < LIVE_SECONDS
        assert await barriers(seen, tmp_path / "rolling.png") == []
        await shows(page, "Succeeded")
    figures(f"the page said 50 % {shown - told:+.1f} s after the daemon")
    await page.goto(site)
    assert await barriers(seen, tmp_path / "models.png") == []
    await page.set_viewport_size({"width": 360, "height": 800})
    await page.screenshot(path=tmp_path / "narrow.png", full_page=True)


async def test_a_bad_version_is_seen_to_be_rolled_back(
    harness: Harness, seen: Watched, site: str, tmp_path: Path
) -> None:
    model = await asyncio.to_thread(harness.model, ENDLESS)
    with harness.traffic(model):
        rollout = await asyncio.to_thread(harness.deploy, model, "v3")
        await seen.page.goto(f"{site}/rollouts/{rollout}")
        await shows(seen.page, "RolledBack")
    await shows(seen.page, "FAIL")
    assert await barriers(seen, tmp_path / "rolled-back.png") == []


async def test_a_rollout_is_aborted_by_a_button_that_says_what_will_happen(
    harness: Harness, seen: Watched, site: str, tmp_path: Path
) -> None:
    model, page = await asyncio.to_thread(harness.model, ENDLESS), seen.page
    with harness.traffic(model):
        rollout = await asyncio.to_thread(harness.deploy, model, "v2")
        await page.goto(f"{site}/rollouts/{rollout}")
        await shows(page, "50% of the requests")
        await page.locator("summary", has_text="Abort").click()
        await shows(page, "All requests go to v1 again, and the rollout is over.")
        assert await barriers(seen, tmp_path / "confirming.png") == []
        await page.get_by_role("button", name="Abort v2").click()
        await shows(page, "Aborted")
    ended = await asyncio.to_thread(harness.until, rollout, Phase.ABORTED)
    assert ended.message == "aborted by ann"
    assert [entry.actor for entry in harness.entries(rollout) if entry.event == "rollout_aborted"] == ["ann"]


async def test_who_may_only_read_sees_no_button(harness: Harness, browser: Browser, site: str) -> None:
    model = await asyncio.to_thread(harness.model, ENDLESS)
    rollout = await asyncio.to_thread(harness.deploy, model, "v2")
    async with watched(browser) as reading:
        await sign_in(reading.page, site, BEN)
        await reading.page.goto(f"{site}/rollouts/{rollout}")
        await shows(reading.page, "Charts")
        assert await reading.page.locator("main form").count() == 0
    async with watched(browser) as stranger:
        await stranger.page.goto(f"{site}/rollouts/{rollout}")
        assert await stranger.page.get_by_label("Token").count() == 1
    await asyncio.to_thread(harness.cli, "abort", rollout)


async def test_without_a_script_everything_can_be_read_and_said(
    harness: Harness, browser: Browser, site: str
) -> None:
    model = await asyncio.to_thread(harness.model, ENDLESS)
    with harness.traffic(model):
        rollout = await asyncio.to_thread(harness.deploy, model, "v2")
        await asyncio.to_thread(harness.until_weight, rollout, 50)
        context = await browser.new_context(java_script_enabled=False)
        try:
            page = await context.new_page()
            await sign_in(page, site, ANN)
            await page.goto(f"{site}/rollouts/{rollout}")
            await shows(page, "50% of the requests")
            await page.locator("summary", has_text="Abort").click()
            await page.get_by_role("button", name="Abort v2").click()
            await page.locator(".state").wait_for()
        finally:
            await context.close()
        await asyncio.to_thread(harness.until, rollout, Phase.ABORTED)
