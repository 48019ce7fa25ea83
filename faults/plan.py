"""Which fault can be tried in which stage, and in what order."""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from faults import damage, machine, signals
from faults.stages import JOBS
from faults.trial import Trial
from molmix.pipeline.job_server.server import MODULES

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
TRAINED, JUDGED = ("align",), ("nli", "audit")
# They read no results of other jobs, or (`plot_arms`) a final table, which has no checksum.
NOT_FED = ("world", "train_nli", "fetch_initial", "fetch_nli", "plot_arms")
FED = tuple(rule for rule in JOBS if rule not in NOT_FED)
SERVED = tuple(rule for rule in JOBS if f"{rule}.py" in MODULES)

# By name: what does it (a function of the trial that says what was done, or nothing where the job was faster), and the
# stages that it can be done to.
FAULTS: dict[str, tuple[Callable[[Trial], str], tuple[str, ...]]] = {
    **{
        f"{number.name} to the {whom}": (partial(signals.send, whom=whom, number=number), tuple(JOBS))
        for number in SIGNALS
        for whom in (signals.JOB, signals.SNAKEMAKE)
    },
    **{
        f"the {whom} paused": (partial(signals.pause, whom=whom), tuple(JOBS))
        for whom in (signals.JOB, signals.SNAKEMAKE)
    },
    "SIGKILL to the job server": (partial(signals.send, whom=signals.SERVER, number=signal.SIGKILL), SERVED),
    "the node goes": (partial(signals.send, whom=signals.NODE, number=signal.SIGKILL), tuple(JOBS)),
    "memory limit": (machine.memory, tuple(JOBS)),
    "full disk": (machine.full_disk, tuple(JOBS)),
    "results read-only": (machine.read_only, tuple(JOBS)),
    "clock set back": (machine.clock, FED),
    "two Snakemakes": (machine.two_snakemakes, tuple(JOBS)),
    "results appear late": (machine.late_files, tuple(JOBS)),
    **{f"input {how}": (partial(damage.inputs, how=how), FED) for how in damage.HOW},
    **{f"NLI cache {how}": (partial(damage.pairs, how=how), JUDGED) for how in damage.HOW},
    **{f"checkpoint {how}": (partial(damage.checkpoint, how=how), TRAINED) for how in damage.HOW},
}
ROOTS = ("full disk", "results read-only")  # mount something


def order(random: Random, names: list[str]) -> Iterator[tuple[str, str]]:
    """Fault and stage, without end: rounds of all faults, each in the stage that had the fewest so far."""
    seen: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    while True:
        for fault in random.sample(names, len(names)):
            stages = FAULTS[fault][1]
            rule = min(random.sample(stages, len(stages)), key=lambda rule: (pairs[fault, rule], seen[rule]))
            seen[rule] += 1
            pairs[fault, rule] += 1
            yield fault, rule
