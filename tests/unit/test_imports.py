"""No heavy import where none is needed."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "trl", "mergekit")
LIGHT = {
    "the parse of the Snakefile": (
        "molmix.pipeline.setup, molmix.pipeline.products, molmix.pipeline.paths, molmix.pipeline.resources, "
        "molmix.pipeline.job_settings, molmix.pipeline.groups, molmix.pipeline.plan.shapes, molmix.data.sources",
        (*HEAVY, "pandas", "numpy", "pyarrow", "rdkit"),
    ),
    "world.py": ("molmix.data.synthetic.corpus", HEAVY),
    "corpus.py": ("molmix.data.corpus", (*HEAVY, "pandas")),
    "pairs.py": ("molmix.data.preferences", (*HEAVY, "pandas")),
    "generate.py with a full cache": ("molmix.generation.generate", (*HEAVY, "pandas")),
    "decompose.py": ("molmix.judges.decompose", (*HEAVY, "pandas")),
    "nli.py with a full store": ("molmix.judges.nli.inference", (*HEAVY, "pandas")),
    "score.py": (
        "molmix.metrics.score, molmix.metrics.families.captions, molmix.metrics.families.judges, "
        "molmix.metrics.families.molecules",
        HEAVY,
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
