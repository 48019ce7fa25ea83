"""A judge that is ready to score texts in memory, by the stages of the graph and with their caches.

So its scores equal those of a study, and no pair of texts is asked twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from molmix.core.files import read_table, write_table
from molmix.judges.decompose.tables import decompose_tables
from molmix.judges.kinds import JudgeSettings, NliJudge, score_captions
from molmix.judges.nli.inference import predict_tables
from molmix.judges.verdicts import write_verdicts

if TYPE_CHECKING:
    from molmix.judges.nli.cached_model import CachedModel

_REFERENCES = pa.schema([("id", pa.string()), ("references", pa.list_(pa.string())), ("molecule", pa.string())])
_CAPTIONS = pa.schema([("id", pa.string()), ("text", pa.string())])


@dataclass(frozen=True)
class JudgedTexts:
    """What a judge says about captions, with a row for each.

    Attributes:
        reference, generated: units of the references and of the captions.
        table: the judge's table (:func:`molmix.judges.kinds.score_captions`).
        scores: its scores, and the columns that it counts, without the column id.
    """

    reference: pa.Table
    generated: pa.Table
    table: pa.Table
    scores: pa.Table


@dataclass(frozen=True)
class TextJudge:
    """A judge with everything that it needs.

    Attributes:
        settings: the judge.
        store: folder of the caches.
        nli: its NLI model; None if it asks none.
        decomposer: settings of its decomposer, dumped; None if it has none.
        decomposer_model: manifest of the decomposer's model; None if it has none on this machine.
    """

    settings: JudgeSettings
    store: Path
    nli: CachedModel | None = None
    decomposer: dict[str, Any] | None = None
    decomposer_model: Path | None = None

    def judge(
        self, captions: Sequence[str], references: Sequence[Sequence[str]], molecules: Sequence[str | None]
    ) -> JudgedTexts:
        """Judge captions.

        Args:
            captions: n texts; a text may be empty.
            references: one or more references of each caption.
            molecules: SMILES of each caption's molecule; None if there is none, or the judge reads none.

        Raises:
            MolmixError: the NLI model cannot be run, or a model that is asked does not answer.
        """
        with TemporaryDirectory(prefix="molmix-judge-") as name:
            folder = Path(name)
            given, said, out = (folder / f"{part}.parquet" for part in ("references", "captions", "judged"))
            ids = [str(index) for index in range(len(captions))]
            rows = zip(ids, references, molecules, strict=True)
            write_table(given, [dict(zip(_REFERENCES.names, row, strict=True)) for row in rows], _REFERENCES)
            write_table(said, [{"id": i, "text": text} for i, text in zip(ids, captions, strict=True)], _CAPTIONS)
            reference = self._decompose(given, self.settings.reference_units)
            generated = self._decompose(said, self.settings.generated_units)
            if self.nli and isinstance(self.settings, NliJudge):
                predict_tables(
                    atoms={"captions": (reference, generated)},
                    outs={"captions": out},
                    model=self.nli,
                    cache=self.store / "nli",
                    texts={"captions": (given, said)},
                    **self.settings.asking,
                )
            else:
                write_verdicts(
                    captions=said,
                    references=given,
                    units=(reference, generated),
                    out=out,
                    settings=self.settings.model_dump(),
                    cache=self.store / "verdicts",
                )
            table = read_table(out)
            scores = score_captions(self.settings.model_dump(), table).drop_columns("id")
            return JudgedTexts(read_table(reference), read_table(generated), table, scores)

    def cut(self, texts: Sequence[Sequence[str]], units: str) -> list[list[str]]:
        """Cut texts into units.

        Args:
            texts: n items of one or more texts, whose units are joined.
            units: the judge's `reference_units` or `generated_units`.
        """
        with TemporaryDirectory(prefix="molmix-judge-") as name:
            table = Path(name) / "texts.parquet"
            rows = [{"id": str(index), "references": list(several)} for index, several in enumerate(texts)]
            write_table(table, rows, _REFERENCES)
            return read_table(self._decompose(table, units))["atoms"].to_pylist()

    def _decompose(self, captions: Path, units: str) -> Path:
        out = captions.with_name(f"{captions.stem}-units.parquet")
        decompose_tables(
            captions=[captions],
            outs=[out],
            units=units,
            settings=self.decomposer,
            cache=self.store / "atoms",
            model=self.decomposer_model,
        )
        return out
