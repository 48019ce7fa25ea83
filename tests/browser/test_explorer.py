"""The explorer in a real browser: choosing, sorting, filters, links, keys, hostile texts, any width, light and dark."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from benchmarks.explorer import synthetic
from playwright.sync_api import Page, expect

from molmix.analysis.bootstrap import mean, replicate
from molmix.analysis.permutation import p_values
from molmix.config import loading
from molmix.core.files import read_table
from molmix.report.explorer import build_explorer
from tests.runs import write_run, write_tables

pytestmark = pytest.mark.slow  # a page in a browser takes about a second
HOSTILE = [
    "<img src=x onerror=\"window.hacked='img'\">",
    "</script><script>window.hacked='script'</script>",
    "<svg onload=\"window.hacked='svg'\"></svg>",
    "javascript:window.hacked='link'",
    '=HYPERLINK("http://example.org","click")',
    "הפולימר הוא צבע. يحتوي على حلقة.",
    "👩‍🔬 has one ring\u2028and 🧪.",
    "The molecule has one ring. " * 2000,
]
STUDY = """
run: small
data:
  tests:
    id: {source: {kind: file, path: r.tsv}}
    back: {source: {kind: file, path: r.tsv}, direction: cap2mol}
systems:
  - {name: ours, predictions: {id: {path: o.txt}, back: {path: o.txt}}}
  - {name: theirs, predictions: {id: {path: t.txt}, back: {path: t.txt}}}
  - {name: same, predictions: {id: {path: s.txt}, back: {path: s.txt}}}
judges:
  first: {kind: atomic}
  whole: {kind: fulldoc}
statistics: {resamples: 100}
"""
SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN", "O=C([O-])c1ccccc1Cl"]
NAMES = ["</title><script>window.hacked='id'</script>", "a&b=c#d e", "__proto__"]  # ids that are hard in a link
MOLECULES = 120


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer of three systems on two test sets."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "study.yaml").write_text(STUDY)
    rows = [(f"m{n}", SMILES[n % 5], [f"The molecule has {n % 4} rings. It is a dye."]) for n in range(MOLECULES)]
    for index, name in enumerate(NAMES):
        rows[index] = (name, *rows[index][1:])
    rows[3] = ("m3", "CCN", ["First. It is a dye.", "A second reference <b>says</b> more."])
    rows[4] = ("m4", SMILES[4], [""])
    ours = [*HOSTILE, *(f"The molecule has {n % 3} rings. It is small." for n in range(len(HOSTILE), MOLECULES))]
    theirs = [f"The molecule has one ring. It has a role as dye {n}." for n in range(MOLECULES)]
    theirs[5] = ""
    back = {"ours": ["CCO", "not a molecule", HOSTILE[2], ""], "theirs": ["CCO"] * 4, "same": ["c1ccccc1"] * 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        study = loading.load(Path("study.yaml"))
        answers = {"ours": ours, "theirs": theirs, "same": ["One ring."] * MOLECULES}
        write_run(study, {"id": rows, "back": rows[:4]}, {"id": answers, "back": back})
        write_tables(study)
        build_explorer(study, Path("pages"), "study.yaml")
    return folder / "pages"


def shown(page: Page) -> str:
    return page.locator("#molecule-heading").inner_text()


def listed(page: Page) -> list[str]:
    return page.locator("#list .row .name").all_inner_texts()


def values(page: Page, column: int) -> list[str]:
    texts = page.locator(f"#list .row .value:nth-child({column})").all_inner_texts()
    return [text.split()[-1] for text in texts]  # "A" before a value is for screen readers


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def table(pages: Path, system: str, test: str = "id") -> dict:
    rows = read_table(pages.parent / f"results/small/scores/{system}/{test}.parquet").to_pylist()
    return {row["id"]: row for row in rows}


def test_opens_on_the_largest_loss(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    ours, theirs = table(pages, "ours"), table(pages, "theirs")
    scored = [name for name in ours if None not in (ours[name]["atomic_f1"], theirs[name]["atomic_f1"])]
    worst = max(scored, key=lambda name: theirs[name]["atomic_f1"] - ours[name]["atomic_f1"])
    assert shown(page) == listed(page)[0] == worst
    differences = [number(text) for text in values(page, 4)]
    assert len(differences) < MOLECULES / 2 and differences == sorted(
        differences
    )  # of a score whose higher values are better
    assert page.locator(".answer h3 bdi").all_inner_texts() == ["ours", "theirs"]
    assert f"{MOLECULES} molecules" in page.locator("#status").inner_text()
    assert f"{ours[worst]['atomic_f1']:.4f}" in page.locator(".answer .score").first.inner_text()


def test_choosing_sorting_and_what_the_tables_say(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    page.select_option("#a", "theirs")
    page.select_option("#b", "same")
    page.select_option("#metric", "bleu2")
    page.select_option("#sort", "a")
    page.select_option("#order", "best")
    expect(page.locator("#columns")).to_contain_text("A − B")
    expect(page.locator(".scores .chosen")).to_contain_text("BLEU-2")
    found = [number(text) for text in values(page, 2)]
    best = sorted((row["bleu2"] for row in table(pages, "theirs").values()), reverse=True)
    assert found == pytest.approx(best[: len(found)], abs=1e-4)
    board = (pages.parent / "results/small/tables/leaderboard.csv").read_text().splitlines()
    cells = dict(
        zip(board[0].split(","), next(line for line in board if line.startswith("theirs,id,")).split(","), strict=True)
    )
    figures = page.locator("#system").inner_text()
    assert f"{float(cells['bleu2']):.4f} [{float(cells['bleu2_low']):.4f}, {float(cells['bleu2_high']):.4f}]" in figures
    assert "after Holm" in figures
    page.select_option("#b", "-")
    expect(page.locator(".answer")).to_have_count(1)
    assert page.locator("#sort option[value=difference]").is_disabled()


def test_filter(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    page.fill("#filter", "DYE 17")
    expect(page.locator("#status")).to_contain_text(f"1 of {MOLECULES} molecules")
    assert listed(page) == [shown(page)] == ["m17"]
    page.fill("#filter", "O=C([O-])")
    expect(page.locator("#status")).to_contain_text(f"{MOLECULES // 5} of {MOLECULES}")
    page.fill("#filter", "nowhere at all")
    expect(page.locator("#status")).to_contain_text("nothing holds “nowhere at all”")
    expect(page.locator("#molecule")).to_be_hidden()
    page.fill("#filter", "")
    expect(page.locator("#molecule")).to_be_visible()


def test_a_filter_or_an_order_does_not_repeat_the_test_of_two_systems(
    pages: Path, open_page: Callable[..., Page]
) -> None:
    """10,000 permutations of thousands of captions take several times as long as the filter itself."""
    page = open_page(pages, "#a=theirs&b=same&metric=coverage")
    figures = page.locator("#system").inner_text()
    assert "computed in this page" in figures
    page.evaluate("""() => {
        const tested = molmix.pairedTest;
        molmix.tests = 0;
        molmix.pairedTest = (...all) => { molmix.tests += 1; return tested(...all); };
    }""")
    page.fill("#filter", "m3")
    expect(page.locator("#status")).to_contain_text(" of ")
    page.select_option("#order", "best")
    expect(page.locator("#list .row").first).to_be_visible()
    assert page.evaluate("molmix.tests") == 0
    assert page.locator("#system").inner_text() == figures
    page.select_option("#metric", "meteor")
    expect(page.locator("#system caption")).to_contain_text("METEOR")
    assert page.evaluate("molmix.tests") == 1


def test_keyboard(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    names = listed(page)
    for key, index in (("j", 1), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(page.locator("#molecule-heading")).to_have_text(names[index])
    page.keyboard.press("/")
    page.keyboard.type("jk/")
    assert page.input_value("#filter") == "jk/"
    page.keyboard.press("Escape")
    assert page.input_value("#filter") == ""
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "list"
    page.keyboard.press("End")
    expect(page.locator("#status")).to_contain_text(f"number {MOLECULES}")
    active = page.locator("#" + page.get_attribute("#list", "aria-activedescendant"))
    assert active.get_attribute("aria-selected") == "true"
    assert active.get_attribute("aria-posinset") == active.get_attribute("aria-setsize") == str(MOLECULES)
    expect(active).to_be_in_viewport()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    expect(page.locator("#molecule-heading")).to_have_text(names[0])
    # Nothing holds the focus back: it comes from the list to the end of the page.
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('footer') !== null"):
            break
    else:
        pytest.fail("the focus does not reach the footer")


def test_skip_link_goes_to_the_molecule_and_keeps_the_view(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    expect(page).to_have_url(re.compile("#test="))  # the view is written there a moment later
    before = page.url
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "molecule-heading" and page.url == before


def test_a_link_opens_the_same_view_and_back_goes_back(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    page.select_option("#a", "same")
    page.select_option("#metric", "coverage")
    expect(page.locator(".scores .chosen")).to_contain_text("coverage")
    chosen = listed(page)[4]
    page.locator("#list .name").get_by_text(chosen, exact=True).click()
    expect(page.locator("#molecule-heading")).to_have_text(chosen)
    again = open_page(pages, "#" + page.url.partition("#")[2])
    assert shown(again) == chosen
    assert again.locator("#status").inner_text() == page.locator("#status").inner_text()  # its place in the list too
    assert [again.input_value(f"#{name}") for name in ("a", "b", "metric")] == ["same", "theirs", "coverage"]
    page.go_back()
    expect(page.locator("#molecule-heading")).not_to_have_text(chosen)
    page.go_back()
    expect(page.locator("#metric")).to_have_value("atomic_f1")
    page.go_forward()
    expect(page.locator("#metric")).to_have_value("coverage")


def test_a_row_is_chosen_though_others_come_and_go_while_it_is_pressed(
    pages: Path, open_page: Callable[..., Page]
) -> None:
    page = open_page(pages)
    chosen = listed(page)[2]
    page.locator("#list .name").get_by_text(chosen, exact=True).hover()
    page.mouse.down()
    page.evaluate("""() => new Promise((done) => {
        const list = document.getElementById("list");
        new MutationObserver(() => done()).observe(document.getElementById("rows"), { childList: true });
        const less = `${list.clientHeight - 88}px`;  // fewer rows are in sight
        Object.assign(list.style, { flex: "none", height: less });
    })""")
    page.mouse.up()
    expect(page.locator("#molecule-heading")).to_have_text(chosen)


@pytest.mark.parametrize("name", NAMES)
def test_a_link_to_an_id_that_is_hard(name: str, pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    page.fill("#filter", name)
    expect(page.locator("#molecule-heading")).to_have_text(name)
    page.wait_for_url(re.compile("filter="))  # the address follows when the reader pauses
    assert shown(open_page(pages, "#" + page.url.partition("#")[2])) == name


def test_names_that_are_gone_from_a_link_do_no_harm(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#test=gone&a=gone&b=gone&metric=gone&sort=gone&order=gone&judge=gone&id=gone")
    assert [page.input_value(f"#{name}") for name in ("test", "a", "b", "sort")] == [
        "id",
        "ours",
        "theirs",
        "difference",
    ]


@pytest.mark.parametrize("row", range(len(HOSTILE)))
def test_hostile_texts_are_text(row: int, pages: Path, open_page: Callable[..., Page]) -> None:
    name = NAMES[row] if row < len(NAMES) else f"m{row}"
    page = open_page(pages, "#" + urlencode({"id": name}))
    expect(page.locator("#molecule-heading")).to_have_text(name)
    said = page.locator(".answer > .prose").first
    assert said.text_content() == HOSTILE[row]
    assert said.get_attribute("dir") == "auto"
    assert page.evaluate("window.hacked") is None
    assert (
        page.locator("script:not([src])").count()
        == page.locator(".answer img, .answer svg, .answer script").count()
        == 0
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_atoms_have_a_mark_a_word_and_numbers(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#id=m9")
    words = page.locator(".answer").first.locator(".verdict").all_inner_texts()
    assert words and all(
        re.fullmatch(r"[✓✗?–] (supported|contradicted|unsupported|covered|missed)", word) for word in words
    )
    assert "contradiction" in page.locator(".answer").first.locator(".said").first.inner_text()
    assert page.locator(".drawing").first.evaluate("image => image.naturalWidth") > 0
    assert "results/small/nli/first/ours/id.parquet" in page.locator(".files").text_content()
    commands = page.locator(".files pre").all_text_contents()
    assert commands[0] == "molmix explain atomic_f1 ours id m9 --configfile study.yaml"
    page.select_option("#judge", "whole")
    expect(page.locator(".answer").first.locator(".heat")).to_have_count(2)
    expect(page.locator(".verdict")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_out_of_reach(scheme: str, pages: Path, open_page: Callable[..., Page], violations) -> None:
    page = open_page(pages, "#id=m9&words=pair", width=390, height=800, scheme=scheme)
    assert violations(page) == []


def test_words_that_two_texts_do_not_share(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(
        pages, "#id=m9"
    )  # "The molecule has 0 rings. It is small." / "... one ring. It has a role as dye 9."
    marks = page.locator(".answer > .prose mark")
    expect(marks).to_have_count(0)
    page.select_option("#words", "pair")
    first, second = (page.locator(".answer").nth(side).locator(".prose") for side in (0, 1))
    expect(first.locator("mark")).to_have_text(["0 rings", "is small"])
    expect(second.locator("mark")).to_have_text(["one ring", "has a role as dye 9"])
    assert first.text_content() == "The molecule has 0 rings. It is small."
    page.select_option("#words", "reference")  # "The molecule has 1 rings. It is a dye."
    expect(first.locator("mark")).to_have_text(["0", "small"])
    page.select_option("#b", "-")
    expect(page.locator(".answer > .prose mark")).to_have_text(["0", "small"])
    assert "words=reference" in page.url
    page = open_page(pages, "#words=pair&b=-&id=m9")
    assert page.input_value("#words") == "" and page.locator("#words option").nth(1).is_disabled()
    page = open_page(pages, "#" + urlencode({"id": "m7", "words": "pair"}))  # a text of 10,000 words
    assert page.locator(".answer > .prose").first.text_content() == HOSTILE[7]


def test_heat_maps(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#id=m9")
    answer = page.locator(".answer").first
    pairs = read_table(pages.parent / "results/small/nli/first/ours/id.parquet").to_pylist()[9]
    assert pairs["n_generated"] == pairs["n_reference"] == 2
    expect(answer.locator(".heat caption")).to_have_text(
        [
            f"{way}: {what}"
            for way in ("reference → caption", "caption → reference")
            for what in ("entailment", "contradiction")
        ]
    )
    cells = answer.locator(".heat").nth(1).locator("td.cell").all_text_contents()
    assert [float(cell) for cell in cells] == pytest.approx(pairs["forward_contradiction"], abs=0.006)
    answer.locator(".heat").first.locator("td.cell").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    told = answer.locator(".told")
    expect(told).to_contain_text("caption 2")
    expect(told).to_contain_text("reference 2")
    e, c = pairs["forward_entailment"][3], pairs["forward_contradiction"][3]
    expect(told).to_contain_text(f"reference → caption: entailment {e:.3f}")
    expect(told).to_contain_text(f"contradiction {c:.3f}")
    answer.locator(".heat").first.locator("td.cell").first.hover()
    expect(told).to_contain_text("caption 1")
    assert page.locator(".heat th[scope=col]").count() and page.locator(".heat th[scope=row]").count()


def test_references_missing_sides_and_undefined_scores(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#id=m3")
    assert page.locator(".reference li .prose").all_inner_texts() == [
        "First. It is a dye.",
        "A second reference <b>says</b> more.",
    ]
    page = open_page(pages, "#metric=coverage&id=m4&order=best")
    expect(page.locator("#status")).to_contain_text(f"number {MOLECULES}")  # undefined: the last, whichever way
    assert "undefined" in page.locator(".answer .score").first.inner_text()
    assert "there are no pairs" in page.locator(".answer").first.inner_text()


def test_answers_that_are_molecules(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#test=back&id=m3")
    assert page.locator("#judge-label").is_hidden() and page.locator(".verdict").count() == 0
    assert page.locator(".answer").nth(0).locator(".note").all_inner_texts() == ["No drawing. There is no molecule."]
    assert page.locator(".answer").nth(1).locator("img").get_attribute("alt") == "the answer of theirs"
    page.select_option("#test", "id")
    expect(page.locator("#judge-label")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1920])
def test_any_width_light_and_dark(width: int, scheme: str, pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#id=m9", width=width, height=800, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    faint = page.evaluate(CONTRAST)
    assert faint == []
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 382) == (scheme == "light")


# Texts whose contrast with what is painted behind them is below 4.5 (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgba(color).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let node = element; node; node = node.parentElement) {
      const color = getComputedStyle(node).backgroundColor;
      if (rgba(color)[3] === 255) return color;
    }
    return "white";
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || element.disabled || !element.checkVisibility()) continue;
    if (["SCRIPT", "NOSCRIPT", "OPTION"].includes(element.tagName)) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${element.className} ${element.textContent.slice(0, 30)}`);
  }
  return faint;
}"""


def test_landmarks_and_labels(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages)
    assert [page.locator(name).count() for name in ("main", "header", "footer", "h1")] == [1, 1, 1, 1]
    unnamed = "e => e.filter((c) => !c.labels.length).length"
    assert page.locator("select, input").evaluate_all(unnamed) == 0
    assert page.locator("table:not(:has(caption, thead))").count() == 0
    assert page.get_by_role("status").count() == 1 and page.get_by_role("listbox").count() == 1
    assert page.locator("img:not([alt])").count() == 0
    assert page.evaluate("document.documentElement.lang") == "en"
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_a_damaged_or_missing_chunk_is_said(pages: Path, tmp_path: Path, browser) -> None:
    import shutil

    shutil.copytree(pages, tmp_path / "pages")
    for content, said in ((None, "Was the whole folder copied?"), ("", "is damaged")):
        path = tmp_path / "pages/data/t0/s0/scores.js"
        path.unlink() if content is None else path.write_text(content)
        page = browser.new_page()
        page.goto((tmp_path / "pages/index.html").as_uri())
        expect(page.get_by_role("alert")).to_contain_text(said)
        page.close()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int], Path]:
    """The explorer of so many systems and molecules, whose scores and probabilities are drawn; no tables."""

    def built(systems: int, molecules: int) -> Path:
        folder = tmp_path_factory.mktemp("drawn")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            build_explorer(synthetic(systems, molecules), Path("pages"))
        return folder / "pages"

    return built


def test_one_system_one_caption(drawn: Callable[[int, int], Path], open_page: Callable[..., Page]) -> None:
    page = open_page(drawn(1, 1))
    assert page.input_value("#b") == "-" and page.locator(".answer").count() == 1
    assert page.locator("#status").inner_text() == "1 molecule; m0 is number 1"
    assert "not in the tables" in page.locator("#system").inner_text()
    assert "tables/leaderboard.csv" in page.locator("#missing").text_content()
    assert "undefined" not in page.locator("main").inner_text()
    page.keyboard.press("j")
    assert shown(page) == "m0"


def test_a_thousand_systems(drawn: Callable[[int, int], Path], open_page: Callable[..., Page]) -> None:
    page = open_page(drawn(1000, 2), width=360, height=800)
    assert page.locator("#a option").count() == 1000
    page.select_option("#a", "system-999")
    expect(page.locator(".answer h3 bdi").first).to_have_text("system-999")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_equal_scores_keep_the_order_of_the_test_set(pages: Path, open_page: Callable[..., Page]) -> None:
    page = open_page(pages, "#a=same&b=same&metric=meteor")
    assert set(values(page, 4)) == {"0.0000"}
    assert listed(page)[:5] == [*NAMES, "m3", "m4"]


def test_twenty_systems_of_three_thousand_captions(
    drawn: Callable[[int, int], Path], open_page: Callable[..., Page]
) -> None:
    page = open_page(drawn(20, 3000))
    assert "3000 molecules" in page.locator("#status").inner_text()
    assert page.locator("#list .row").count() < 60  # those in sight, and no more
    loaded = page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert len([name for name in loaded if "/data/" in name]) <= 16  # of 1,282 chunks
    page.keyboard.press("End")
    page.locator("#list").focus()
    page.keyboard.press("End")
    expect(page.locator("#status")).to_contain_text("number 3000")
    page.fill("#filter", "ester")
    expect(page.locator("#status")).to_contain_text("of 3000 molecules")


def test_any_two_systems_are_shown_with_their_test(pages: Path, open_page: Callable[..., Page]) -> None:
    """Two of three systems are not compared in the tables: the page's test gives what the tables' test would give."""
    found = {}
    for a, b in (("ours", "theirs"), ("ours", "same"), ("theirs", "same")):
        page = open_page(pages, "#" + urlencode({"test": "id", "a": a, "b": b, "metric": "coverage"}))
        found[a, b] = page.locator("#system td.said").last.inner_text()
    assert sum("after Holm" in said for said in found.values()) == 2  # two pairs with the best
    own = [said for said in found.values() if "computed in this page" in said]
    assert len(own) == 1 and "without correction for the 3 pairs of 3 systems" in own[0]
    generator = np.random.default_rng(0)
    one = generator.normal(0.0, 1, 70)
    other = one + generator.normal(0.25, 1, 70)
    one[3], other[5] = np.nan, np.nan
    both = ~np.isnan(one) & ~np.isnan(other)
    p = p_values({"a": mean(one[both]), "b": mean(other[both])}, [("a", "b")], permutations=20_000, most=20_000)[0]
    drawn = replicate({"gap": one[both] - other[both]}, resamples=4000)["gap"].interval()
    values = [[None if np.isnan(value) else value for value in side] for side in (one, other)]
    tested = page.evaluate("([a, b]) => molmix.pairedTest(a, b, 0.95)", values)
    assert tested["n"] == 68 and tested["p"] == pytest.approx(p, abs=0.01)
    assert tested["figure"] == pytest.approx([drawn.value, drawn.low, drawn.high], abs=0.03)
    assert page.evaluate("molmix.pairedTest([1, 2], [1, 2], 0.95)")["p"] == 1
    assert page.evaluate("molmix.pairedTest([1, null], [null, 2], 0.95)") is None
