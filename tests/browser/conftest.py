"""A headless browser on pages from disk, which must not complain, nor ask for anything that is not a file."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright", reason="playwright is not installed")
from playwright.sync_api import Browser, Page, sync_playwright


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Debian's chromium; a test is skipped where it is not there."""
    found = shutil.which("chromium")
    if not found:
        pytest.skip("no chromium on the path")
    with sync_playwright() as playwright:
        # Root cannot have chromium's sandbox.
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="package")
def violations(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Page], list[str]]:
    """What axe-core finds on a page, by the rules of WCAG 2 A and AA; a test is skipped where npm cannot fetch it."""
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", "--prefer-offline", "axe-core@4.14.1"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("npm cannot fetch axe-core")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        axe = package.extractfile("package/axe.min.js").read().decode()
    rules = "{preload: false, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}"

    def found(page: Page) -> list[str]:
        page.evaluate(axe)
        broken = page.evaluate(f"axe.run(document, {rules}).then((result) => result.violations)")
        return [f"{rule['id']}: {node['html'][:200]}" for rule in broken for node in rule["nodes"]]

    return found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open an explorer's index.html at a hash; settings as for a browser's context."""
    complaints: list[str] = []
    contexts = []

    def opened(folder: Path, hash: str = "", **settings) -> Page:
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or complaints.append(request.url))
        page.goto((folder / "index.html").resolve().as_uri() + hash)
        page.wait_for_selector("#detail .answer")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
