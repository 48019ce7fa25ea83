"""The licences of a study's judges, for the tables, the report and the explorer: which scores count, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from molmix.judges.kinds import NliJudge, parse_judge
from molmix.judges.nli.licence import HINT, read_licences, unlicensed_scores, warn_about
from molmix.metrics import Options
from molmix.metrics.families.judges import prefixes

MARK = "†"  # behind the title of a score that the judge is not licensed for


class Licences:
    """The licences of all judges.

    Args:
        files: JSON of :func:`molmix.judges.nli.licence.write_licence` for each judge. Nothing is said about judges
            without a file, as in results of earlier versions.
        options: settings of the judges.

    Attributes:
        warnings: what is not licensed, in words.
        notes: results of all checks of a judge, by its name.
    """

    def __init__(self, files: Mapping[str, Path], options: Options) -> None:
        self._unlicensed: dict[str, set[str]] = {}
        self.warnings: list[str] = []
        self.notes: dict[str, str] = {}
        for name, prefix in prefixes(options.judges).items():
            judge = parse_judge(options.judges[name])
            if name not in files or not isinstance(judge, NliJudge):
                continue
            tests, accuracy = read_licences(files[name])
            measured = [f"on {test}, {licence.describe()}" for test, licence in tests.items()]
            known = f" Accuracy of `{judge.nli}` on held-out pairs: {accuracy:.3f}." if accuracy is not None else ""
            self.notes[name] = f"Licence of judge `{name}`: {'; '.join(measured)}.{known}"
            for test, licence in tests.items():
                columns = {f"{prefix}{column}" for column in unlicensed_scores(judge, licence)}
                self._unlicensed.setdefault(test, set()).update(columns)
                self.warnings += [f"{line[0].upper()}{line[1:]}." for line in warn_about(name, judge, test, licence)]
        if any(self._unlicensed.values()):
            self.warnings.append(f"Scores with {MARK} get no bold and no star. To change this, {HINT}.")

    def columns(self, test: str) -> set[str]:
        """Columns of a test set's scores that their judge is not licensed for."""
        return self._unlicensed.get(test, set())

    def mark(self, test: str, column: str) -> str:
        """The text behind the title of a column: the mark, or nothing."""
        return f" {MARK}" if column in self.columns(test) else ""

    def withhold(self, comparisons: pd.DataFrame) -> pd.DataFrame:
        """Comparisons without the verdicts about unlicensed scores, so that no table shows a bold value or a star.

        Args:
            comparisons: columns test, metric, verdict and others.
        """
        rows = zip(comparisons["test"], comparisons["metric"], strict=True)
        licensed = [metric not in self.columns(test) for test, metric in rows]
        return comparisons.assign(
            verdict=comparisons["verdict"].where(pd.Series(licensed, comparisons.index, bool), "")
        )
