"""A real SLURM of one node with two GPUs that are none, for tests and measurements; needs root and SLURM's packages.

``python -m tests.slurm.cluster DIR [accounting]`` starts one for a shell, prints what to export, stops it on Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PACKAGES = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client"}
ACCOUNTING = {"munged": "munge", "slurmdbd": "slurmdbd", "mariadbd": "mariadb-server"}


def why_not(accounting: bool = False) -> str | None:
    """Why no cluster can be started here; None where one can."""
    if os.getuid() != 0:
        return "a SLURM of its own needs root"
    wanted = PACKAGES | (ACCOUNTING if accounting else {})
    missing = sorted({package for program, package in wanted.items() if not shutil.which(program, path=_path())})
    return f"not installed: {', '.join(missing)}" if missing else None


@contextmanager
def cluster(folder: Path, accounting: bool = False) -> Iterator[dict[str, str]]:
    """Start SLURM below `folder`, give the environment that its commands need, and stop it.

    Partitions are ``cpu`` (default) and ``gpu``; the node has 4 CPUs whatever the machine has, and 2 GPUs.

    Raises:
        RuntimeError: it does not come up; the message holds the end of its logs.
    """
    folder = folder.resolve()
    for name in ("state", "spool", "log", "dev", "bin", "db"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{_path()}"}
    ports = _free_ports(5)
    for number in range(2):  # SLURM asks for a character device: twins of /dev/null
        device = folder / f"dev/gpu{number}"
        if not device.exists():
            os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    # The executor takes SLURM_CONF from the steps of a job.
    step = folder / "bin/srun"
    step.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun", path=_path())} "$@"\n')
    step.chmod(0o755)
    node = socket.gethostname().split(".")[0]
    (folder / "gres.conf").write_text(f"AutoDetect=off\nNodeName={node} Name=gpu File={folder}/dev/gpu[0-1]\n")
    (folder / "slurm.conf").write_text(_slurm_conf(folder, node, ports, accounting))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        if accounting:
            _start_accounting(folder, environment, ports, daemons)
        for name in ("slurmctld", "slurmd"):
            daemons.append(_daemon(folder, environment, [name, "-D", "-f", str(folder / "slurm.conf")]))
        _wait(folder, daemons, lambda: _says(environment, "sinfo", "-hNo", "%T").split()[:1] == ["idle"])
        yield environment
    finally:
        _says(environment, "scancel", "-u", "root", "--state=PENDING")
        _says(environment, "scancel", "-u", "root")
        until = time.monotonic() + 15
        while _says(environment, "squeue", "-h") and time.monotonic() < until:
            time.sleep(0.3)
        for daemon in reversed(daemons):
            daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _path() -> str:
    """Daemons lie in sbin, which is not on everybody's path."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _slurm_conf(folder: Path, node: str, ports: Sequence[int], accounting: bool) -> str:
    books = f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports[2]}
AccountingStoragePass={folder}/munge.sock
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment"""
    none = "AuthType=auth/none\nCredType=cred/none\nAccountingStorageType=accounting_storage/none"
    return f"""ClusterName=toy
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
{books if accounting else none}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1,requeue_delay=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MinJobAge=7200
KillWait=2
GresTypes=gpu
NodeName={node} NodeAddr=127.0.0.1 CPUs=4 Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 Gres=gpu:2
PartitionName=cpu Nodes={node} Default=YES MaxTime=INFINITE State=UP OverTimeLimit=0
PartitionName=gpu Nodes={node} MaxTime=INFINITE State=UP
"""


def _start_accounting(
    folder: Path, environment: dict[str, str], ports: Sequence[int], daemons: list[subprocess.Popen[bytes]]
) -> None:
    """Bring up munge, MariaDB and slurmdbd, and make the cluster known."""
    key, database = folder / "munge.key", folder / "db.sock"
    if not key.exists():
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
    munge = {"key-file": key, "socket": folder / "munge.sock", "pid-file": folder / "munge.pid"}
    munge |= {"log-file": folder / "log/munge.log", "seed-file": folder / "munge.seed"}
    daemons.append(_daemon(folder, environment, ["munged", "-F", *(f"--{key}={path}" for key, path in munge.items())]))
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}/db", "--skip-test-db"],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    mariadb = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={folder}/db", f"--socket={database}"]
    mariadb += [f"--port={ports[3]}", "--bind-address=127.0.0.1", "--innodb-lock-wait-timeout=900"]
    daemons.append(_daemon(folder, environment, mariadb))
    sql = "create database slurm_acct_db; create user slurm@'127.0.0.1' identified by 'slurm'; "
    sql += "grant all on slurm_acct_db.* to slurm@'127.0.0.1'"
    client = ["mariadb", "--no-defaults", f"--socket={database}", "-e"]
    _wait(folder, daemons, lambda: _runs(environment, *client, "select 1"))
    subprocess.run([*client, sql], env=environment, check=True)
    books = folder / "slurmdbd.conf"
    books.write_text(f"""AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
DbdHost={socket.gethostname().split(".")[0]}
DbdAddr=127.0.0.1
DbdPort={ports[2]}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports[3]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
""")
    books.chmod(0o600)
    daemons.append(_daemon(folder, environment, ["slurmdbd", "-D"]))
    _wait(folder, daemons, lambda: _runs(environment, "sacctmgr", "-n", "list", "cluster"))
    subprocess.run(["sacctmgr", "-i", "add", "cluster", "toy"], env=environment, check=True, stdout=subprocess.DEVNULL)


def _daemon(folder: Path, environment: dict[str, str], command: list[str]) -> subprocess.Popen[bytes]:
    with (folder / "log" / f"{command[0]}.out").open("wb") as out:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def _wait(folder: Path, daemons: list[subprocess.Popen[bytes]], ready, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until or any(daemon.poll() is not None for daemon in daemons):
            logs = [f"{log.name}: {log.read_text(errors='replace')[-600:]}" for log in (folder / "log").iterdir()]
            raise RuntimeError("SLURM does not come up\n" + "\n".join(logs))
        time.sleep(0.2)


def _runs(environment: dict[str, str], *command: str) -> bool:
    try:
        done = subprocess.run(command, env=environment, capture_output=True, timeout=3, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _says(environment: dict[str, str], *command: str) -> str:
    """What a client of SLURM prints; nothing where it fails or gets no answer (without a controller it waits)."""
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=3, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    with cluster(Path(sys.argv[1]), accounting="accounting" in sys.argv[2:]) as shell:
        print(f"export SLURM_CONF={shell['SLURM_CONF']} PATH={Path(sys.argv[1]).resolve()}/bin:$PATH", flush=True)
        signal.sigwait([signal.SIGINT, signal.SIGTERM])
