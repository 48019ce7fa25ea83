"""Progress of long loops: a bar on the terminal, and lines in the log that `molmix status` reads."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

FIRST, INTERVAL = 5.0, 30.0  # seconds until the first line, and between two lines
_TAIL = 64_000  # bytes at the end of a log in which its last line of progress is looked for

logger = logging.getLogger(__name__)


class Progress:
    """A tqdm bar if standard error is a terminal, and in any case a line in the log every :data:`INTERVAL` seconds.

    A thread writes the lines, so a long batch does not delay them. The first one comes after :data:`FIRST` seconds.

    Args:
        items: items to iterate over; without them, `update` counts.
        total: number of items; needed if `items` has no length.
        initial: number of items that are done already.
        desc: what is done, for people.
        unit: name of one item.
        shown: whether to show anything; of several processes of one training, only one does.

    Attributes:
        total, done: number of items, and of those that are done.
    """

    def __init__(
        self,
        items: Iterable[Any] | None = None,
        *,
        total: int | None = None,
        initial: int = 0,
        desc: str = "",
        unit: str = "item",
        shown: bool = True,
    ) -> None:
        from tqdm import tqdm

        if total is None:
            total = len(items)  # type: ignore[arg-type]
        self._items, self.total, self._unit = items, total, unit
        self._initial = self.done = initial
        self._name, self._started = desc, time.monotonic()
        self._numbers: dict[str, float] = {}
        terminal = sys.__stderr__
        silent = not shown or terminal is None or not terminal.isatty()
        self._bar = tqdm(
            total=total, initial=initial, desc=desc, unit=unit, file=terminal, disable=silent, dynamic_ncols=True
        )
        self._closed = threading.Event()
        if shown:
            threading.Thread(target=self._write_lines, name="progress", daemon=True).start()

    def update(self, count: int = 1) -> None:
        """Count items that are done."""
        self.done += count
        self._bar.update(count)

    def set_description(self, name: str) -> None:
        """Say what is done now."""
        self._name = name
        self._bar.set_description(name)

    def set_numbers(self, numbers: Mapping[str, float]) -> None:
        """Show numbers beside the progress, such as ``{"loss": 0.7}``. A number that is not given again stays."""
        self._numbers |= numbers
        self._bar.set_postfix(self._numbers, refresh=False)

    def close(self) -> None:
        """End the bar and the lines."""
        self._closed.set()
        self._bar.close()

    def __iter__(self) -> Iterator[Any]:
        with self:
            for item in self._items or ():
                yield item
                self.update()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def line(self) -> str:
        """What is done and left, the rate since the start, and the estimated time left."""
        done, seconds = self.done, time.monotonic() - self._started
        words = [f"{self._name}: {done} of {self.total} {self._unit}s ({done / max(1, self.total):.0%})"]
        if rate := (done - self._initial) / max(seconds, 1e-9):
            words.append(f"{rate:.3g} {self._unit}s/s")
            words.append(f"{duration((self.total - done) / rate)} left")
        return ", ".join([*words, *(f"{name} {number:.4g}" for name, number in self._numbers.items())])

    def _write_lines(self) -> None:
        wait = FIRST
        while not self._closed.wait(wait):
            logger.info("%s", self.line())
            wait = INTERVAL


def last_line(log: Path) -> str:
    """The newest line of progress in the log of a job; empty if there is none."""
    with log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - _TAIL))
        text = stream.read().decode("utf-8", errors="replace")
    mark = f" {__name__} "  # loggers write their name before the message
    return next((line.split(mark, 1)[1] for line in reversed(text.splitlines()) if mark in line), "")


def duration(seconds: float) -> str:
    """A duration as text: 0 s, 59 s, 3 min 05 s, 2 h 07 min."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
