"""No heavy import where none is needed, and none of a name that does not exist."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = ("torch", "transformers", "trl", "mergekit")
# What only some jobs use: settings are checked when the Snakefile is parsed, and a job gets plain values.
OTHERS = ("nltk", "pydantic", "pyarrow.dataset")
LIGHT = {
    "the parse of the Snakefile": (
        "molmix.pipeline.setup, molmix.pipeline.products, molmix.pipeline.paths, molmix.pipeline.resources, "
        "molmix.pipeline.job_settings, molmix.pipeline.groups, molmix.pipeline.plan.shapes, "
        "molmix.pipeline.plan.counts, molmix.data.sources",
        (*HEAVY, "pandas", "numpy", "pyarrow", "rdkit"),
    ),
    "world.py": ("molmix.data.synthetic.corpus", HEAVY),
    "corpus.py": ("molmix.data.corpus", (*HEAVY, "pandas")),
    "pairs.py": ("molmix.data.preferences", (*HEAVY, "pandas")),
    "generate.py with a full cache": ("molmix.generation.generate", (*HEAVY, "pandas")),
    "decompose.py": ("molmix.judges.decompose", (*HEAVY, "pandas")),
    "the context of every job": (
        "molmix.pipeline.job, molmix.pipeline.named",
        (*HEAVY, *OTHERS, "pandas", "pyarrow", "importlib.metadata"),
    ),
    "nli.py with a full cache": ("molmix.judges.nli.inference, molmix.pipeline.job", (*HEAVY, *OTHERS, "pandas")),
    "score.py": (
        "molmix.metrics.score, molmix.metrics.families.captions, molmix.metrics.families.judges, "
        "molmix.metrics.families.molecules",
        (*HEAVY, "nltk", "pyarrow.dataset"),
    ),
    "comparisons.py": ("molmix.analysis.comparison.compare", HEAVY),
    "leaderboard.py": ("molmix.analysis.leaderboard", HEAVY),
    "the command line": ("molmix.cli", (*HEAVY, "pandas")),
}


@pytest.mark.parametrize(("modules", "heavy"), LIGHT.values(), ids=LIGHT)
def test_scripts_that_need_no_torch_do_not_import_it(modules: str, heavy: tuple[str, ...]) -> None:
    code = f"import sys, {modules}; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_table_is_read_without_the_layer_for_data_sets_of_many_files(tmp_path: Path) -> None:
    path = str(tmp_path / "table.parquet")
    code = f"""
import sys
import pyarrow as pa
from molmix.core.files import read_table, write_table
write_table({path!r}, pa.table({{"a": [1, 2], "b": ["x", "y"], "c": [[1], None]}}))
assert read_table({path!r}, ["c", "a"]).to_pydict() == {{"c": [[1], None], "a": [1, 2]}}
print("pyarrow.dataset" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_name_that_is_imported_from_the_library_exists() -> None:
    """Benchmarks, faults and scripts import much of it inside functions, where neither tests nor mypy look."""
    missing = []
    for folder in ("benchmarks", "faults", "workflow/scripts", "tests", "envs", "docs"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
                if module.partition(".")[0] == "molmix":
                    missing += [f"{path}: {module}.{name.name}" for name in node.names if not found(module, name.name)]
    assert missing == []


def found(module: str, name: str) -> bool:
    try:
        if hasattr(import_module(module), name):
            return True
        import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True
