"""Adding a method, a merge or a metric is one file and one row: done here to a copy of the project, and planned."""

import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def copy_of_the_project(folder: Path) -> Path:
    skip = shutil.ignore_patterns("results", "logs", ".*", "__pycache__", "*.egg-info")
    return Path(shutil.copytree(ROOT, folder / "project", ignore=skip))


def row(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def test_a_method_a_merge_and_a_metric(tmp_path: Path, micro) -> None:
    project = copy_of_the_project(tmp_path)
    source = project / "src/molmix"

    # A method: DPO under another name, with a loss of its own preset.
    method = (source / "align/dpo.py").read_text()
    (source / "align/ipo.py").write_text(method.replace('"loss_type": "sigmoid"', '"loss_type": "ipo"'))
    row(
        source / "align/__init__.py",
        "from molmix.align import cpo, dpo, kto, sft",
        "from molmix.align import cpo, dpo, ipo, kto, sft",
    )
    row(source / "align/__init__.py", "in (sft, dpo, cpo, kto)}", "in (sft, dpo, cpo, kto, ipo)}")

    # A merge: mergekit's task arithmetic.
    merge = (source / "merge/linear.py").read_text()
    merge = merge.replace("class Linear", "class TaskArithmetic").replace('"linear"', '"task_arithmetic"')
    merge = merge.replace(
        '"merge_method": "task_arithmetic",', '"merge_method": "task_arithmetic", "base_model": base,'
    )
    (source / "merge/task_arithmetic.py").write_text(merge)
    row(source / "merge/__init__.py", "Slerp | Ties | Linear", "Slerp | Ties | Linear | TaskArithmetic")
    row(
        source / "merge/__init__.py",
        "from molmix.merge.ties import Ties",
        "from molmix.merge.task_arithmetic import TaskArithmetic\nfrom molmix.merge.ties import Ties",
    )

    # A metric: the number of words.
    (source / "metrics/words.py").write_text(
        "import pandas as pd\n"
        "from molmix.metrics import Metric\n"
        "def metrics(options):\n"
        '    return (Metric("words", "higher", "words"),)\n'
        "def measure(answers):\n"
        '    return pd.DataFrame({"words": [float(len(text.split())) for text in answers.texts]})\n'
        "def note(options):\n"
        '    return ""\n'
    )
    row(source / "metrics/__init__.py", '"molecules")', '"molecules", "words")')

    micro["align"] |= {"ipo": {"method": "ipo", "starts": ["mol2cap"]}}
    micro["merge"]["methods"] |= {"arithmetic": {"method": "task_arithmetic"}}
    (project / "study.yaml").write_text(yaml.safe_dump(micro, sort_keys=False))
    plan = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", "study.yaml"]
    settings = [sys.executable, "-m", "molmix.align.trl_settings"]
    environment = {"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for command in (settings, plan):
        done = subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Aligning mol2cap.ipo" in done.stdout
    assert "Merging mol2cap.dpo_ipo.arithmetic" in done.stdout

    code = (
        "from molmix.metrics.figures import all_metrics; from molmix.metrics import Options\n"
        "print(all_metrics(Options(judges={}, vocabulary=None, wordnet=None, domain='molecules')))"
    )
    known = subprocess.run([sys.executable, "-c", code], env=environment, text=True, capture_output=True, check=True)
    assert "words" in known.stdout
