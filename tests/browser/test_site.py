"""The documentation as a site (`make site`) in a real browser, from disk: search, widths, nothing asked of a server."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow  # a page in a browser takes about a second
SITE = Path(__file__).resolve().parents[2] / "site"


@pytest.mark.parametrize("width", [390, 800, 1400])
def test_the_site_opens_from_disk_and_finds_words(browser: Browser, width: int) -> None:
    if not (SITE / "index.html").is_file():
        pytest.skip("no site: `make site` builds it")
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: asked.append(f"error: {error}"))
    page.goto((SITE / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.click("label[for=__search]" if width < 960 else ".md-search__form")
    page.keyboard.type("hallucination")
    expect(page.locator(".md-search-result__meta")).to_contain_text("matching documents")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()
