"""Places for the labels of points, so that none covers another or a point."""

from __future__ import annotations

import numpy as np

_RINGS = (6.5, 9.0, 12.0, 16.0, 21.0, 27.0, 34.0, 42.0, 52.0)  # points: distance of a label from its own
_ANGLES = np.linspace(0, 2 * np.pi, 16, endpoint=False)
_GAP = np.array([1.5, 0.5])  # points between any two things: 5 and 7 side by side must not read 57


def places(
    points: np.ndarray, sizes: np.ndarray, bounds: np.ndarray, *, radius: float, others: np.ndarray
) -> np.ndarray:
    """Put a label beside each point, the nearest free place first; the most crowded points choose first.

    Args:
        points: array (n, 2), in typographic points, as all of it.
        sizes: array (n, 2): width and height of each label.
        bounds: array (2, 2): lower left and upper right corner of what labels must stay in.
        radius: half the size of a point's marker.
        others: array (m, 2): further markers that labels keep off.

    Returns:
        Array (n, 2): middles of the labels; NaN where nothing is free within reach.
    """
    if not len(points):
        return np.empty((0, 2))
    markers = np.concatenate([points, others]) if len(others) else points
    found = np.full((len(points), 2), np.nan)
    offsets = np.concatenate([ring * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1) for ring in _RINGS])
    apart = np.linalg.norm(points[:, None] - markers[None], axis=-1)
    for place in np.argsort(-(apart < _RINGS[4]).sum(axis=1), kind="stable"):
        middles = points[place] + offsets
        half = sizes[place] / 2
        inside = ((middles - half >= bounds[0]) & (middles + half <= bounds[1])).all(axis=1)
        middles = middles[inside]
        clear = ~_overlap(middles, half, markers, np.full((len(markers), 2), radius)).any(axis=1)
        done = ~np.isnan(found[:, 0])
        clear &= ~_overlap(middles, half, found[done], sizes[done] / 2).any(axis=1)
        # A line from a label to its point runs through no label either
        for step in (0.35, 0.55, 0.75):
            between = points[place] + step * (middles - points[place])
            clear &= ~_overlap(between, np.zeros(2), found[done], sizes[done] / 2).any(axis=1)
        if clear.any():
            found[place] = middles[np.argmax(clear)]
    return found


def _overlap(middles: np.ndarray, half: np.ndarray, others: np.ndarray, halves: np.ndarray) -> np.ndarray:
    """Whether boxes overlap: array (middles, others)."""
    gaps = np.abs(middles[:, None] - others[None]) - half - halves[None]
    return (gaps < _GAP).all(axis=-1)
