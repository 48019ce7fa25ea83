"""`make faults`: disturb a small study until the time is up; prints a table, and keeps what each trial printed.

The same seed draws the same faults, stages, moments and bits; what a moment hits is the machine's to say. A campaign
that is begun again in its folder goes on, and reports all of its trials.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from faults.machine import mountable, release
from faults.plan import FAULTS, ROOTS, order
from faults.report import page
from faults.stages import stages
from faults.study import FULL, make_local_files, run
from faults.trial import Trial


def main() -> None:
    options = _options()
    work = options.work.resolve()
    base, records = work / "base", work / "trials.jsonl"
    base.mkdir(parents=True, exist_ok=True)
    if said := make_local_files(work / "source", base):
        sys.exit(f"the run that makes the local models failed:\n{said}")
    status, said = run(base, *FULL)
    if status != 0:
        sys.exit(f"the undisturbed run failed:\n{said}")
    found = stages(base)
    skipped = [] if mountable() else list(ROOTS)
    names = [name for name in options.faults or FAULTS if name not in skipped]
    before = [json.loads(line) for line in records.read_text().splitlines()] if records.exists() else []
    trials = list(before)
    end = time.monotonic() + 60 * options.minutes
    for number, (fault, rule) in enumerate(order(Random(options.seed), names)):
        if time.monotonic() > end or len(trials) - len(before) == options.trials:
            break
        if any((trial["seed"], trial["number"]) == (options.seed, number) for trial in before):
            continue
        trial = Trial(base, work / f"{options.seed}-{number}", found[rule], Random(f"{options.seed} {number}"))
        about = {"seed": options.seed, "number": number, "fault": fault, "stage": rule}
        if record := _one(trial, fault):
            trials.append(about | record)
            with records.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(trials[-1]) + "\n")
            print(json.dumps(trials[-1]), file=sys.stderr, flush=True)
    print(page(trials, skipped))
    sys.exit(any(trial["outcome"] != "equal" for trial in trials))


def _one(trial: Trial, fault: str) -> dict[str, Any] | None:
    """What was done in a trial and what came of it; None where the job was faster than the fault."""
    try:
        trial.prepare()
        done = FAULTS[fault][0](trial)
        if not done:
            return None
        outcome = trial.again()
        trial.folder.with_suffix(".log").write_text("\n".join(trial.said), encoding="utf-8")
        return {"done": done, "outcome": outcome, "refused": trial.refused, "left": trial.left()}
    finally:
        trial.clear()
        release(trial.folder)
        trial.clear()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("--minutes", type=float, default=18, help="after the undisturbed run; default 18")
    parser.add_argument("--trials", type=int, help="at most so many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", nargs="+", choices=FAULTS, help="only these; default all")
    parser.add_argument("--work", type=Path, default=Path("results/faults-campaign"), help="folder for the trials")
    return parser.parse_args()


if __name__ == "__main__":
    main()
