"""The licences of a study's judges, for the tables, the report and the explorer: which scores count, and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from molmix.analysis.tables import Cell, Grid, figure
from molmix.judges.kinds import NliJudge, parse_judge, titles
from molmix.judges.nli.agreement import EXACT
from molmix.judges.nli.licence import HINT, read_licences, unlicensed_scores, warn_about
from molmix.metrics import Options
from molmix.metrics.families.judges import prefixes

HEADER = {
    "itself": "atoms that entail themselves",
    "own_text": "entailed by their reference",
    "null_entailed": "unrelated pairs called entailment",
    "null_contradicted": "called contradiction",
}
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
            tests, accuracy, agreement = read_licences(files[name])
            measured = [f"on {test}, {licence.describe()}" for test, licence in tests.items()]
            known = f" Accuracy of `{judge.nli}` on held-out pairs: {accuracy:.3f}." if accuracy is not None else ""
            computed = f" `{judge.nli}` was {agreement.describe()}." if agreement else ""
            self.notes[name] = f"Licence of judge `{name}`: {'; '.join(measured)}.{known}{computed}"
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


def licence_frame(files: Mapping[str, Path], options: Options) -> pd.DataFrame:
    """One row per judge and test set.

    Args:
        files: as of :class:`Licences`.
        options: settings of the judges.

    Returns:
        Columns judge, nli, test, the fields of :class:`molmix.judges.nli.licence.Licence`, accuracy (known accuracy of
        the NLI model; None if it is not known), unlicensed (number of the judge's scores that it is not licensed for),
        and computed, largest and changed: how the model was computed, and its agreement with PyTorch in float32
        (:class:`molmix.judges.nli.agreement.Agreement`).
    """
    rows = []
    for name, title in titles(options.judges).items():
        judge = parse_judge(options.judges[name])
        if name in files and isinstance(judge, NliJudge):
            tests, accuracy, agreement = read_licences(files[name])
            own = agreement or EXACT
            computed = {"computed": f"{own.engine}, {own.dtype}", "largest": own.largest, "changed": own.changed}
            rows += [
                {"judge": title, "nli": judge.nli, "test": test, **asdict(licence), "accuracy": accuracy, **computed}
                | {"unlicensed": len(unlicensed_scores(judge, licence))}
                for test, licence in tests.items()
            ]
    return pd.DataFrame(rows)


def licence_grids(licences: pd.DataFrame) -> list[Grid]:
    """A table for each test set; nothing without judges that ask an NLI model."""
    header = ["judge", "NLI model", *HEADER.values(), "accuracy of the model", "scores not licensed"]
    header += ["computed by", "largest difference from float32", "labels changed"]
    return [
        Grid(
            f"{test}: licences of the judges",
            header,
            [
                [Cell(row["judge"]), Cell(row["nli"])]
                + [Cell(figure(float("nan") if pd.isna(row[name]) else row[name])) for name in (*HEADER, "accuracy")]
                + [Cell(str(row["unlicensed"])), Cell(row["computed"])]
                + [Cell(figure(row["largest"])), Cell(figure(row["changed"]))]
                for _, row in rows.iterrows()
            ],
            names=2,
        )
        for test, rows in (licences.groupby("test", sort=False) if len(licences) else ())
    ]
