"""Config sections of ablations, judge validation and intervals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from molmix.core.schema import Count, Name, Section


class JudgeValidation(Section):
    """Captions with planted errors, which show how far each judge can be trusted (`snakemake judge`)."""

    molecules: Count = Field(300, description="references that are edited, drawn from each test set; all if fewer")
    doses: list[Annotated[int, Field(ge=1, le=9)]] = Field(
        [1, 2, 3], min_length=1, description="how many edits at a time"
    )
    systems: Literal["all"] | list[str] = Field(
        "all",
        description="models whose captions are edited and judged too: ids, or `all`; with [] none, so that `snakemake "
        "judge` needs only the test sets and the judges",
        exclude_if=lambda systems: systems == "all",
    )


# Name of an arm in tables. Spreadsheets would run a name that begins with one of the excluded characters.
Label = Annotated[str, Field(pattern=r"^[^\s=+@-][^\n\r\t]{0,39}$", coerce_numbers_to_str=True)]


class Best(Section):
    """The best of some models by one metric: the model that would have been chosen."""

    best: str = Field(description="metric to choose by: its column in leaderboard.csv")
    test: Name = Field(description="test set to choose on")
    of: list[str] = Field(min_length=1, description="ids of the models to choose from")


class Ablation(Section):
    """One factor varied over models of the table, the arms, each compared with the baseline."""

    title: str = Field(description="what is asked, in a few words")
    factor: str = Field(description="what differs between the arms, with its unit")
    baseline: Label = Field(description="name of the arm that the others are compared with")
    arms: dict[Label, str | Best] = Field(
        min_length=2, description="a model's id, or `Best`, by name; names that are all numbers make a curve"
    )

    def models(self) -> list[str]:
        """All models of its table."""
        arms = (arm.of if isinstance(arm, Best) else [arm] for arm in self.arms.values())
        return list(dict.fromkeys(model for arm in arms for model in arm))


class Statistics(Section):
    """Intervals and comparisons of the tables."""

    resamples: Annotated[Count, Field(ge=100)] = Field(1000, description="bootstrap resamples over molecules")
    level: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="confidence level")
    compare: Literal["all"] | list[str | tuple[str, str]] = Field(
        [],
        description="comparisons beside those with the start, the parents and the best: `all` pairs of models; or a "
        "list of baselines (ids; every other model is compared with them) and of pairs of ids",
        exclude_if=lambda asked: not asked,
    )
