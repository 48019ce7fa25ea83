"""The report as one page, in a real browser: any width, light and dark, within everybody's reach."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from molmix.analysis.tables import Cell, Grid, markdown
from molmix.report.front_page import write_one_page

pytestmark = pytest.mark.slow  # a page in a browser takes about a second
LONG = [f"model-with-a-long-name-{number}" for number in range(9)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    grids = [
        Grid("id", ["model", *LONG], [[Cell(name), *[Cell(".123 ±.456", bold=True, star=True)] * 9] for name in LONG])
    ]
    table = folder / "leaderboard.md"
    table.write_text(markdown("Leaderboard", grids, ["- A note with `code`."], ["A judge is not licensed."]))
    figure = folder / "cost.svg"
    figure.write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="200"><rect width="2000" height="9"/></svg>'
    )
    write_one_page("# demo\n\n[Molecule by molecule](x.html)\n", [table], {"cost": figure}, folder / "one-page.html")
    return folder / "one-page.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_any_width_light_and_dark(
    width: int, scheme: str, report: Path, take_page: Callable[..., Page], violations: Callable[[Page], list[str]]
) -> None:
    page = take_page(width, 800, scheme)
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("img").evaluate("image => image.naturalWidth") == 2000
    assert violations(page) == []
