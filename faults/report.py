"""What a campaign found, for people: trials by stage and fault, and what was not as it should be."""

from collections import Counter
from typing import Any

from faults.plan import FAULTS
from faults.stages import JOBS


def page(trials: list[dict[str, Any]], skipped: list[str]) -> str:
    """Markdown of all trials.

    Args:
        trials: ``fault``, ``stage``, ``done``, ``outcome``, ``refused`` of each.
        skipped: faults that could not be tried here.
    """
    counts = Counter((trial["fault"], trial["stage"]) for trial in trials)
    failed = [trial for trial in trials if trial["outcome"] != "equal"]
    refused = [trial for trial in trials if trial["refused"]]
    stages = [rule for rule in JOBS if any(counts[fault, rule] for fault in FAULTS)]
    lines = [
        f"{len(trials)} trials, {len(trials) - len(refused) - len(failed)} ended at once in the same results, "
        f"{len(refused)} after a message was followed that said what to make again, {len(failed)} failed.",
        "",
        "| fault | " + " | ".join(f"`{rule}`" for rule in stages) + " | all | refused first | failed |",
        "| --- |" + " ---: |" * (len(stages) + 3),
    ]
    for fault in FAULTS:
        if not (all_of := sum(counts[fault, rule] for rule in stages)):
            continue
        cells = [str(counts[fault, rule] or "") for rule in stages]
        ends = [str(sum(trial["fault"] == fault for trial in some)) for some in (refused, failed)]
        lines.append(f"| {fault} | " + " | ".join([*cells, str(all_of), *ends]) + " |")
    lines += ["", *(f"Not tried: {name} (needs root and `mount`)." for name in skipped)]
    lines += [f"- {one['fault']} in `{one['stage']}` ({one['done']}): {one['outcome']}" for one in failed]
    return "\n".join(lines).rstrip() + "\n"
