"""An end that is asked for from outside: the step under way is finished and a checkpoint written before it comes.

SIGTERM is what SLURM sends at the time limit, on preemption, requeue and ``scancel``, some seconds before SIGKILL;
either signal can be had minutes before the limit (``--signal``).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Request:
    """Whether an end was asked for.

    Attributes:
        by: name of the first signal that asked for it; None so far.
    """

    by: str | None = None

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Listen to :data:`SIGNALS` while the block runs, in the main thread."""
        before = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.by = self.by or signal.Signals(number).name
