"""The documentation as a site: every page can be found, and nothing is fetched from others."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from deploy.local.stack import REPOSITORY
from docs.navigation import FIRST, navigation

DOCS = REPOSITORY / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FOLDERS = ("decisions/", "runbooks/")
_ASSETS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Assets(HTMLParser):
    """What a browser fetches by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") in ("canonical", "next", "prev"):
            return
        if value := values.get(_ASSETS.get(tag, "")):
            self.found.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does it."""
    folder = tmp_path_factory.mktemp("site")
    mkdocs = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder))
    done = subprocess.run(
        mkdocs,
        cwd=REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_it_builds_without_a_warning_and_has_every_page(site: Path) -> None:
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    wanted = {page.relative_to(DOCS).with_suffix(".html") for page in PAGES} - {Path("README.html")}
    assert wanted | {Path("index.html")} <= built
    assert not list(site.rglob("*.py"))


def test_its_pages_fetch_nothing_from_others(site: Path) -> None:
    for page in site.rglob("*.html"):
        text, assets = page.read_text(encoding="utf-8"), Assets()
        assets.feed(text)
        assert assets.found
        assert [each for each in assets.found if re.match(r"(?:[a-z]+:)?//", each)] == [], page.name
        assert 'class="mermaid"' not in text, "Material would take Mermaid from a server of others"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_a_list_begins_after_an_empty_line(page: Path) -> None:
    """Else it is one on GitHub, and a paragraph with dashes on the site."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"^(?![-*] |\d+\. |  |\n).+\n(?:[-*]|\d+\.) .*$", text, re.MULTILINE)


def test_every_page_is_in_the_navigation_once() -> None:
    placed = [page for part in navigation() for pages in part.values() for page in _flat(pages)]
    assert sorted(placed) == [str(page.relative_to(DOCS)) for page in PAGES]


def test_every_part_of_the_navigation_has_pages() -> None:
    assert [*(next(iter(part)) for part in navigation())] == ["Start", *FIRST]


def test_every_page_but_those_of_whole_folders_is_named_at_the_start() -> None:
    start = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [str(page.relative_to(DOCS)) for page in PAGES]
    unnamed = [page for page in pages if f"({page})" not in start and not page.startswith(FOLDERS)]
    assert unnamed == ["README.md"]


@pytest.mark.parametrize("page", [*PAGES, REPOSITORY / "README.md", *REPOSITORY.glob("policies/*.md")])
def test_every_file_that_a_page_names_or_links_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:tests|bench|controller|deploy|policies)/[\w./-]+\.\w+)`", text):
        assert (REPOSITORY / name).exists(), name
    for target in re.findall(r"\]\((?![a-z]+:|#)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def _flat(pages: str | list[str]) -> list[str]:
    return [pages] if isinstance(pages, str) else pages
