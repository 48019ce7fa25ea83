"""The explorer of 20 systems' 3,000 captions each: how long it takes to build, to open and to move."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from tests.runs import draw_pairs

from benchmarks.common import Row, corpus
from molmix.config.loading import parse
from molmix.config.schema import Config
from molmix.core.files import write_table
from molmix.data.corpus import TEST
from molmix.judges.decompose.backends import rules
from molmix.judges.decompose.tables import ATOMS
from molmix.report.explorer import build_explorer

SYSTEMS, MOLECULES = 20, 3000
METRICS = ("hallucination", "supported", "contradicted", "unsupported", "coverage")
METRICS += ("bleu2", "bleu4", "rouge1", "rouge2", "rougeL", "meteor")


def measure() -> list[Row]:
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            study = synthetic(SYSTEMS, MOLECULES)
            begin = time.perf_counter()
            build_explorer(study, Path("pages"))
            built = time.perf_counter() - begin
            size = sum(path.stat().st_size for path in Path("pages").rglob("*.js")) / 2**20
            what = f"explorer of {SYSTEMS} systems x {MOLECULES} captions"
            rows = [(f"{what}: building", f"{built:.0f} s, {size:.0f} MB", "-", "-", "-")]
            chromium = shutil.which("chromium")
            if not chromium:
                rows.append((f"{what}: opening, moving and filter were not measured: no chromium", "-", "-", "-", "-"))
            else:
                opened, moved, filtered = _in_browser(chromium, Path("pages/index.html").resolve().as_uri())
                rows.append((f"{what}: opening", f"{opened:.2f} s", "-", "-", "2 s"))
                rows.append((f"{what}: to the next molecule", f"{moved * 1000:.0f} ms", "-", "-", "100 ms"))
                rows.append((f"{what}: filter by a text", f"{filtered * 1000:.0f} ms", "-", "-", "100 ms"))
            return rows
        finally:
            os.chdir(here)


def synthetic(systems: int, molecules: int) -> Config:
    """Write a run of captions of the embedded world in the working folder; scores and probabilities are drawn."""
    names = [f"system-{number}" for number in range(systems)]
    source = {"source": {"kind": "file", "path": "references.tsv"}}
    given = [{"name": name, "predictions": {"id": {"path": f"{name}.txt"}}} for name in names]
    study = parse({"run": "large", "data": {"tests": {"id": source}}, "systems": given})
    run, rng = Path("results/large"), np.random.default_rng(0)
    known = corpus(300)
    rows = [known[number % len(known)] for number in range(molecules)]
    ids, captions = [f"m{number}" for number in range(molecules)], [caption for _, caption in rows]
    atoms = rules.decompose(captions)
    table = [
        {"id": name, "molecule": smiles, "references": [caption], "rows": [0], "ids": [name]}
        for name, (smiles, caption) in zip(ids, rows, strict=True)
    ]
    write_table(run / "data/tests/id.parquet", table, TEST)
    _write_atoms(run / "atoms/rules/reference/id.parquet", ids, atoms)
    for shift, name in enumerate(names, 1):
        said, texts = atoms[shift:] + atoms[:shift], captions[shift:] + captions[:shift]
        _write_atoms(run / f"atoms/rules/{name}/id.parquet", ids, said)
        sizes = [(len(one), len(other)) for one, other in zip(said, atoms, strict=True)]
        draw_pairs(run / f"nli/atomic/{name}/id.parquet", ids, sizes, rng)
        scores = {"id": ids, "text": texts, "finish": ["stop"] * molecules}
        write_table(run / f"scores/{name}/id.parquet", pa.table(scores | {m: rng.random(molecules) for m in METRICS}))
    return study


def _write_atoms(path: Path, ids: list[str], atoms: list[list[str]]) -> None:
    write_table(path, pa.table({"id": ids, "atoms": atoms, "fallback": [False] * len(ids)}, schema=ATOMS))


# Milliseconds from an act to the frame that shows what it brought: the element of some id has changed by then.
_UNTIL_SHOWN = """async ([act, id]) => {
  const does = new Function(act);
  const element = document.getElementById(id);
  const changed = new Promise((done) => new MutationObserver(done).observe(element, { childList: true }));
  const begin = performance.now();
  does();
  await changed;
  await new Promise((next) => requestAnimationFrame(() => setTimeout(next)));
  return performance.now() - begin;
}"""


def _in_browser(chromium: str, address: str) -> tuple[float, float, float]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = []
        for _ in range(3):
            page = browser.new_page()
            begin = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("#detail .answer")
            opened.append(time.perf_counter() - begin)
        press = "document.getElementById('list').dispatchEvent(new KeyboardEvent('keydown', {key: 'j', bubbles: true}))"
        moved = [page.evaluate(_UNTIL_SHOWN, [press, "molecule-heading"]) / 1000 for _ in range(30)]
        type_in = "const f = document.getElementById('filter'); f.value = '{}'; f.dispatchEvent(new Event('input'))"
        filtered = [
            page.evaluate(_UNTIL_SHOWN, [type_in.format(text), "status"]) / 1000 for text in ("ring", "ester", "dye")
        ]
        browser.close()
    return median(opened), median(moved), median(filtered)
