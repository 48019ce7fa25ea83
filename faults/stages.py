"""The stages that are disturbed: one job of each, looked up in what Snakemake noted of the undisturbed run."""

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path

R = Path("results/faults")
GENERATED, PAIRS = R / "work/generate", Path("results/store/nli")

# By rule: an output of the job that is disturbed, and the caches that would spare it its work.
JOBS: dict[str, tuple[str, tuple[Path, ...]]] = {
    "world": ("data/world.parquet", ()),
    "corpus": ("data/manifest.json", ()),
    "train_initial": ("models/mol2cap/manifest.json", ()),
    "generate_rejected": ("preferences/rejected.mol2cap.parquet", (GENERATED,)),
    "pairs": ("preferences/manifest.json", ()),
    "align": ("models/mol2cap.sft/manifest.json", ()),
    "merge_and_generate": ("models/mol2cap.sft_dpo.slerp/manifest.json", (GENERATED,)),
    "generate": ("predictions/mol2cap.sft/id.parquet", (GENERATED,)),
    "train_nli": ("nli_models/embedded/manifest.json", ()),
    "decompose": ("atoms/rules/mol2cap.sft/id.parquet", ()),
    "nli": ("nli/atomic/mol2cap.sft/id.parquet", (PAIRS,)),
    "score": ("scores/mol2cap.sft/id.parquet", ()),
    "comparisons": ("tables/comparisons.csv", ()),
    "leaderboard": ("tables/leaderboard.csv", ()),
    "plant_errors": ("predictions/planted/id.parquet", ()),
    "judge_validation": ("tables/judges.csv", ()),
    "agreement": ("tables/agreement.csv", ()),
    "audit": ("tables/audit.csv", (PAIRS,)),
    "fetch_initial": ("models/copied/manifest.json", ()),
    "fetch_nli": ("nli_models/copied/manifest.json", ()),
    "join_external": ("predictions/other/id.parquet", ()),
    "compare_arms": ("tables/ablation-loss.csv", ()),
    "plot_arms": ("plots/ablation-loss.svg", ()),
    "plots": ("plots/training.svg", ()),
    "explorer": ("explorer", ()),
    "card": ("cards/mol2cap.sft/README.md", ()),
}


@dataclass(frozen=True)
class Stage:
    """One job.

    Attributes:
        rule: that makes it.
        inputs, outputs: paths relative to the folder of the run.
        caches: folders that hold its work from before.
        seconds: that it took undisturbed.
    """

    rule: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    caches: tuple[Path, ...]
    seconds: float

    @property
    def script(self) -> str:
        """Name of the script that the rule runs: its own, but the rules that fetch models share one."""
        return f"{'fetch' if self.rule.startswith('fetch_') else self.rule}.py"

    @property
    def target(self) -> str:
        """What to ask Snakemake for, to have it run."""
        return str(R / JOBS[self.rule][0])


def stages(base: Path) -> dict[str, Stage]:
    """All stages by rule, from a finished run."""
    records = {
        b64decode(path.name).decode(): json.loads(path.read_text())
        for path in (base / ".snakemake/metadata").iterdir()
        if path.is_file()
    }
    found = {}
    for rule, (first, caches) in JOBS.items():
        job = records[str(R / first)]
        outputs = [Path(name) for name, record in records.items() if record["job_hash"] == job["job_hash"]]
        took = job["endtime"] - job["starttime"]
        found[rule] = Stage(rule, tuple(map(Path, job["input"])), tuple(sorted(outputs)), caches, took)
    return found
