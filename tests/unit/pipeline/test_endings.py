"""What a run says at its end, with a real Snakemake: causes of failed jobs, and where the results are."""

from pathlib import Path

import pytest

from tests.commands import run_command

SNAKEFILE = """
from pathlib import Path
from molmix.pipeline.endings import FailedJobs
failed_jobs = FailedJobs(Path.cwd() if workflow.overwrite_workdir else Path())
onstart:
    failed_jobs.collect()
onerror:
    failed_jobs.report()
rule all:
    input: "a", "b", "c"
rule told:
    output: "a"
    log: "logs/r/told.log"
    shell: "printf 'molmix told: x.tsv: is empty\\\\n  Hint: fill it in\\\\nTraceback\\\\n' > {log}; exit 1"
rule killed:
    output: "b"
    log: "logs/r/killed/m.log"
    shell: "printf 'loading \\\\033[31mred\\\\n' > {log}; exit 137"
rule twice:
    output: "c"
    log: "logs/r/twice.log"
    retries: 1
    shell: "test -e tried && touch {output} || (touch tried; exit 1)"
"""


@pytest.mark.parametrize("quiet", [[], ["--quiet", "rules"]])
def test_failed_jobs_end_in_one_message(tmp_path: Path, quiet: list[str]) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    done = run_command("snakemake", "--cores", "1", "--keep-going", *quiet, folder=tmp_path, together=False)
    assert done.returncode == 1
    said = done.stderr
    for wall in ("RuleException", "CalledProcessError", "Error in rule", "WorkflowError", "exit 137"):
        assert wall not in said
    end = said[said.index("molmix: 2 jobs failed.") :].splitlines()
    assert end[end.index("  told: x.tsv: is empty") :][:3] == [
        "  told: x.tsv: is empty",
        "    Hint: fill it in",
        "    log: logs/r/told.log",
    ]
    at = end.index("  killed/m: ended without a message: interrupted, killed, or out of memory")
    assert end[at + 1] == "    last line of its log: loading \\x1b[31mred"
    assert end[at + 2].startswith("    Hint: run it again") and end[at + 3] == "    log: logs/r/killed/m.log"
    assert "twice" not in "\n".join(end) and (tmp_path / "c").exists()
    (log,) = (tmp_path / ".snakemake/log").iterdir()
    assert quiet or "Error in rule told" in log.read_text(), "Snakemake's own log is complete"


def test_logs_are_named_as_one_can_open_them_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    done = run_command("snakemake", "--cores", "1", "--directory", "run", "a", folder=tmp_path, together=False)
    assert f"    log: {tmp_path}/run/logs/r/told.log" in done.stderr.splitlines()
