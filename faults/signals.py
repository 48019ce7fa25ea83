"""Signals to a job, to Snakemake, and to all processes of a run at once, as when a node goes."""

import os
import signal
import subprocess
import time

import psutil

from faults.trial import Trial, children

JOB, SNAKEMAKE, NODE, SERVER = "job", "main process", "node", "job server"
JOB_SERVER = "molmix.pipeline.job_server.server"  # in its command line


def send(trial: Trial, whom: str, number: signal.Signals) -> str:
    """Send a signal at a random moment of the job.

    Returns:
        What was done, for the report; empty where the job was faster.
    """
    process = trial.start()
    script = trial.script(process)
    moment = trial.random.uniform(0, 0.6 * trial.stage.seconds)
    time.sleep(moment)
    done = _send(process, script, whom, number)
    trial.end(process)
    return f"{number.name} to the {whom}, {moment:.1f} s into the job" if done else ""


def pause(trial: Trial, whom: str) -> str:
    """Stop a process at a random moment of the job, and let it go on some seconds later.

    Returns:
        What was done, for the report; empty where the job was faster.
    """
    process = trial.start()
    script = trial.script(process)
    moment = trial.random.uniform(0, 0.6 * trial.stage.seconds)
    time.sleep(moment)
    stopped = _send(process, script, whom, signal.SIGSTOP)
    seconds = trial.random.uniform(1, 15)
    if stopped:
        time.sleep(seconds)
        _send(process, script, whom, signal.SIGCONT)
    trial.end(process)
    return f"the {whom} stopped {moment:.1f} s into the job, for {seconds:.1f} s" if stopped else ""


def _send(process: subprocess.Popen, script: psutil.Process | None, whom: str, number: signal.Signals) -> bool:
    if number != signal.SIGCONT and (script is None or not script.is_running()):
        return False
    try:
        if whom == JOB:
            assert script is not None
            script.send_signal(number)
        elif whom == SNAKEMAKE:
            process.send_signal(number)
        elif whom == SERVER:
            next(child for child in children(process.pid) if JOB_SERVER in child.cmdline()).send_signal(number)
        else:
            os.killpg(process.pid, number)
    except (psutil.NoSuchProcess, ProcessLookupError, StopIteration):
        return False
    return True
