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


class Pages:
    """Pages that many tests use one after the other: a new one costs more than what most tests do in it.

    Attributes:
        complaints: what the pages wrote to their console, their errors, and what they asked for that is no file.
    """

    def __init__(self, browser: Browser) -> None:
        self.complaints: list[str] = []
        self._browser = browser
        self._pages: list[Page] = []
        self._used = 0

    def take(self, width: int = 1280, height: int = 720, scheme: str = "light") -> Page:
        """An empty page that no other part of the test uses."""
        if self._used == len(self._pages):
            self._pages.append(self._browser.new_context().new_page())
            self._listen(self._pages[-1])
        page = self._pages[self._used]
        self._used += 1
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        return page

    def _listen(self, page: Page) -> None:
        note = self.complaints.append
        page.on("console", lambda message: note(f"console: {message.text}"))
        page.on("pageerror", lambda error: note(f"error: {error}"))
        page.on("dialog", lambda dialog: (note(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: request.url.startswith(("file:", "data:")) or note(request.url))

    def leave(self) -> None:
        """Leave what the test looked at."""
        for page in self._pages[: self._used]:
            page.goto("about:blank")
            page.mouse.move(0, 0)
        self._used = 0


@pytest.fixture(scope="package")
def all_pages(browser: Browser) -> Pages:
    return Pages(browser)


@pytest.fixture
def take_page(all_pages: Pages) -> Iterator[Callable[..., Page]]:
    """An empty page; the arguments are those of :meth:`Pages.take`."""
    all_pages.complaints.clear()
    yield all_pages.take
    all_pages.leave()
    assert all_pages.complaints == []


@pytest.fixture
def open_page(take_page: Callable[..., Page]) -> Callable[..., Page]:
    """Open an explorer's index.html at a hash, in a page of some size and colours."""

    def opened(folder: Path, hash: str = "", **settings) -> Page:
        page = take_page(**settings)
        page.goto((folder / "index.html").resolve().as_uri() + hash)
        page.wait_for_selector("#detail .answer")
        return page

    return opened
