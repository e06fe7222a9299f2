"""The report as people see it in a real browser: light, dark, narrow and printed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser

from controller.report.page import page
from tests.browser.fixtures import Scheme, watched
from tests.unit.report.scenes import Log, hostile, promoted, rolled_back

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

_WIDER_THAN_ITS_WINDOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_PAPER = ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")


@pytest.mark.parametrize(
    ("log", "scheme"),
    [
        (promoted, "light"),
        (promoted, "dark"),
        (rolled_back, "light"),
        (rolled_back, "dark"),
        (hostile, "light"),
    ],
)
async def test_everybody_can_read_it_and_it_complains_of_nothing(
    browser: Browser, tmp_path: Path, log: Callable[[], Log], scheme: Scheme
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page(log().report()))
    async with watched(browser, scheme) as seen:
        await seen.page.goto(file.as_uri())
        await seen.page.screenshot(path=tmp_path / "folded.png", full_page=True)
        for folded in await seen.page.locator("summary:visible").all():
            await folded.click()
        assert await seen.barriers() == []
        await seen.page.set_viewport_size({"width": 360, "height": 800})
        await seen.page.screenshot(path=tmp_path / "narrow.png", full_page=True)
        assert await seen.page.evaluate(_WIDER_THAN_ITS_WINDOW) == 0, "only tables are scrolled sideways"
        await seen.page.set_viewport_size({"width": 760, "height": 1000})
        await seen.page.emulate_media(media="print")
        await seen.page.screenshot(path=tmp_path / "printed.png", full_page=True)
        assert await seen.barriers() == []
        assert await seen.page.evaluate("getComputedStyle(document.body).backgroundColor") in _PAPER
        assert seen.requests == [file.as_uri()]
        assert seen.complaints == []


async def test_what_is_wrong_with_a_page_is_found(browser: Browser) -> None:
    async with watched(browser) as seen:
        await seen.page.set_content(
            "<html lang='en'><title>t</title><main><p style='color: #ddd'>faint</p><img src='data:,'></main>"
            "<script>console.error('a complaint'); fetch('http://127.0.0.1:9/').catch(() => 0)</script>"
        )
        found = " ".join(await seen.barriers())
        assert "color-contrast (serious)" in found
        assert "image-alt (critical)" in found
        assert "a complaint" in seen.complaints
        assert "http://127.0.0.1:9/" in seen.requests
