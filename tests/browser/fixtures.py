"""A real browser, Debian's Chromium, headless, for tests of what people see.

Tests that use it run on the loop of the session, which the browser lives on:
``pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]``.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

CHROMIUM = Path("/usr/bin/chromium")
_QUIET = (
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_GRAVE = frozenset({"serious", "critical"})

Scheme = Literal["light", "dark"]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests; skips them where there is none."""
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"there is no {CHROMIUM}: install Debian's package chromium")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=list(_QUIET),
            chromium_sandbox=os.geteuid() != 0,  # Chromium refuses to sandbox what root runs
        )
        yield launched
        await launched.close()


@dataclass
class Watched:
    """A page, all that it asked the network for, and all that it complained about."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"a dialog: {dialog.message}"))
        self.page.on(
            "console",
            lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None,
        )

    async def barriers(self) -> list[str]:
        """What axe calls serious or critical: the rule, and where."""
        found: dict[str, Any] = (await Axe().run(self.page)).response
        return [
            f"{each['id']} ({each['impact']}): {[node['target'] for node in each['nodes']]}"
            for each in found["violations"]
            if each["impact"] in _GRAVE
        ]


@asynccontextmanager
async def watched(browser: Browser, scheme: Scheme = "light", width: int = 1200) -> AsyncIterator[Watched]:
    """An empty page in a window of its own, which remembers nothing of others."""
    context = await browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    try:
        yield Watched(await context.new_page())
    finally:
        await context.close()
