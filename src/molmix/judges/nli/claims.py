"""Claims: several processes on any number of nodes share a work list, and no part is done twice.

A claim on a part of the work is a file with its name, which only one process can create. It says who holds it. The
holder removes it when the results of the part are stored. A claim is abandoned if its process is gone (known on the
same node), or if its holder has not touched it for :data:`LEASE` seconds (any node); then the next process takes it
over.

If two processes take over one claim in the same instant, or a holder is paused for longer than a lease, a part can be
done twice. This costs time only.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from contextlib import suppress
from pathlib import Path

LEASE = 300  # seconds without a sign of life, after which a claim is abandoned; also bounds the skew of clocks
_TOUCH = 30  # seconds between two signs of life


class Claims:
    """The claims of one process.

    Args:
        folder: of the claims of all processes; need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: set[str] = set()
        self._touched = time.monotonic()

    def take(self, part: str) -> bool:
        """Claim a part of the work; False if another process holds it.

        If no file can be created (a full disk), the part counts as claimed: the work can be done without claims.
        """
        path = self._folder / part
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return True
        for _ in range(2):
            try:
                with path.open("x", encoding="utf-8") as file:
                    file.write(f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex}")
            except FileExistsError:
                if not self._remove_abandoned(path):
                    return False
            except OSError:
                return True
            else:
                self._held.add(part)
                return True
        return False

    def keep(self) -> None:
        """Give a sign of life for all held claims. Call it often: most calls do nothing."""
        if time.monotonic() - self._touched < _TOUCH:
            return
        self._touched = time.monotonic()
        for part in self._held:
            with suppress(OSError):
                os.utime(self._folder / part)

    def release(self, part: str) -> None:
        """Remove a claim."""
        self._held.discard(part)
        with suppress(OSError):
            (self._folder / part).unlink()

    def _remove_abandoned(self, path: Path) -> bool:
        """Remove a claim if it is abandoned; whether it is gone."""
        try:
            holder, touched = path.read_text(encoding="utf-8"), path.stat().st_mtime
        except FileNotFoundError:
            return True
        except OSError:
            return False
        if time.time() - touched < LEASE and not _is_gone(holder):
            return False
        # Of several processes that see this, one succeeds in the renaming. It checks that it got the same claim.
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.rename(aside)
            same = aside.read_text(encoding="utf-8") == holder
            aside.unlink()
        except OSError:
            return False
        return same


def _is_gone(holder: str) -> bool:
    """Whether a claim was made on this node by a process that does not exist any more."""
    host, _, rest = holder.partition(" ")
    pid = rest.partition(" ")[0]
    if host != socket.gethostname() or not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process
        return False
    return False
