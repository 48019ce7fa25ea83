"""The tables of README and docs come from one run each, all of one commit, by `make figures`."""

import importlib.util
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import pytest

from molmix.core.files import write_table
from tests.docs.snippets import ROOT

BOARD = r"""# Leaderboard

## id (150 molecules)

| model | hallucination ↓ | coverage ↑ |
| --- | ---: | ---: |
| a\|b | **.1\*** | .2 |
| c | .3 | .4 |

- Config 0123456789abcdef; molmix 0.1.0, commit {commit}; seeds 7.
"""
PAGE = """Before
<!-- table: demo/leaderboard; section: id; rows: c; columns: coverage -->
old
<!-- end -->
after
"""


@pytest.fixture(scope="module")
def docs() -> ModuleType:
    """docs/update.py."""
    spec = importlib.util.spec_from_file_location("update", ROOT / "docs/update.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_table_names_its_config_and_all_name_one_commit(docs: ModuleType) -> None:
    found, commits = defaultdict(set), defaultdict(set)
    for page in docs.PAGES:
        for block in docs.BLOCK.finditer(page.read_text(encoding="utf-8")):
            source = docs.SOURCE.search(block["body"])
            assert source is not None, f"{page.name}: {block['source']} was not made by `make figures`"
            assert source["run"] == block["source"].split("/")[0]
            found[block["source"]].add(source["config"])  # tables of one run can depend on other parts of its config
            commits[docs.REAL.get(source["run"])].add(source["commit"])  # one command makes all tables of a group
    assert all(len(configs) == 1 for configs in found.values()), dict(found)
    assert all(len(names) == 1 for names in commits.values()), dict(commits)


def test_the_jobs_of_a_run_are_added_up_by_rule(docs: ModuleType, tmp_path: Path) -> None:
    for path, text in {
        "tables/leaderboard.md": BOARD.format(commit="ab" * 20),
        "benchmarks/align/a.tsv": "s\tmax_rss\tcpu_time\n30.0\t700.0\t20.0\n",
        "benchmarks/align/b.tsv": "s\tmax_rss\tcpu_time\n50.0\t900.0\t40.0\n",
        "benchmarks/world.tsv": "s\tmax_rss\tcpu_time\n90.0\t100.0\t20.0\n",
    }.items():
        (tmp_path / "demo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "demo" / path).write_text(text)
    made = docs.update("<!-- table: demo/jobs -->\n<!-- end -->\n", tmp_path)
    rows = [line.strip("| ").split(" | ") for line in made.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        ["align", "2", "60.0", "75%", "80", "900"],
        ["world", "1", "20.0", "25%", "90", "100"],
        ["all", "3", "80", "100%", "170", "900"],
    ]


def test_a_block_holds_the_rows_and_columns_that_it_names(docs: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "demo/tables/leaderboard.md"
    table.parent.mkdir(parents=True)
    table.write_text(BOARD.format(commit="ab" * 20))
    made = docs.update(PAGE, tmp_path)
    assert made.startswith("Before\n") and made.endswith("<!-- end -->\nafter\n") and "old" not in made
    assert "| model | coverage ↑ |\n| --- | ---: |\n| c | .4 |\n" in made
    assert "<sub>Run `demo`, config 0123456789abcdef, commit abababababab.</sub>" in made
    assert docs.update(made, tmp_path) == made
    whole = docs.update(PAGE.replace("; rows: c; columns: coverage", ""), tmp_path)
    assert r"| a\|b | **.1\*** | .2 |" in whole and "| c | .3 | .4 |" in whole
    for right, wrong in (
        ("rows: c", "rows: d"),
        ("columns: coverage", "columns: bleu"),
        ("section: id", "section: ood"),
    ):
        with pytest.raises(ValueError, match="has no"):
            docs.update(PAGE.replace(right, wrong), tmp_path)


def test_a_block_of_captions_holds_what_the_models_wrote(docs: ModuleType, tmp_path: Path) -> None:
    tables = tmp_path / "small-local/tables"
    tables.mkdir(parents=True)
    (tables / "leaderboard.md").write_text(BOARD.format(commit="ab" * 20))
    for model, text in (("start", "It *is*\na | b."), ("start.sft", "A dye.")):
        write_table(tmp_path / f"small-local/predictions/{model}/t.parquet", [{"id": "7", "text": text}])
    block = "<!-- table: small-local/captions; test: t; models: start, start.sft; ids: 7 -->\n<!-- end -->"
    made = docs.update(block, tmp_path)
    assert r"| start | It \*is\* a \| b. |" in made and "| start.sft | A dye. |" in made
    assert "[CID 7](https://pubchem.ncbi.nlm.nih.gov/compound/7)" in made
    assert docs.SOURCE.search(made)["commit"] == "ab" * 6
    assert docs.update(block, tmp_path, ["demo"]) == docs.update(block, tmp_path / "empty") == block


def test_the_rule_graph_has_layers_even_where_rules_need_each_other(docs: ModuleType) -> None:
    dot = '\t0[label = "align"]\n\t1[label = "merge"]\n\t2[label = "pairs"]\n\t2 -> 0\n\t0 -> 1\n\t1 -> 0\n\t2 -> 1\n'
    rules, arrows = docs.parse_rulegraph(dot)
    assert rules == {"0": "align", "1": "merge", "2": "pairs"} and len(arrows) == 4
    assert docs.layers_of(rules, arrows) == [["2"], ["0"], ["1"]]
    assert docs.without_shortcuts([("2", "0"), ("0", "1"), ("2", "1")]) == [("2", "0"), ("0", "1")]
