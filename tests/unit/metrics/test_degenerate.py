"""Which answers count as empty, cut or repeating themselves."""

import time

import pytest

from molmix.metrics.degenerate import ends_in_loop, find_flaws


@pytest.mark.parametrize(
    "text",
    [
        "It is a dye. It is a dye. It is a dye.",
        "The molecule is a ligand and " + "a dye, " * 20 + "a d",  # cut within the loop
        "C" * 2000,
        "The molecule has a role as a metabolite of " * 3,
        "dye " * 8 + "\n",
    ],
)
def test_a_loop_at_the_end_is_found(text: str) -> None:
    assert ends_in_loop(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no",
        "It is a dye. It is a dye.",  # twice is not a loop
        "The molecule is a dye. It is a ligand. It is a metabolite. It is an ester. It is an ether.",
        "CCCCCCCCCCCCCCCCCC(=O)OCC(COC(=O)CCCCCCCCCCCCCCCCC)OC(=O)CCCCCCCCCCCCCCCCC",  # tristearin
        "It is a dye. It is a dye. It is a dye. And then it went on with other things that matter.",
    ],
)
def test_an_ordinary_end_is_none(text: str) -> None:
    assert not ends_in_loop(text)


def test_long_answers_take_no_long_time() -> None:
    start = time.perf_counter()
    ends_in_loop("ab" * 100_000 + "c")
    ends_in_loop("".join(str(number) for number in range(50_000)))
    ends_in_loop("x" + "C" * 200_000)
    assert time.perf_counter() - start < 1


def test_each_flaw_is_told_from_the_others() -> None:
    texts = ["", " \n", "", "a dye " * 9, "A dye.", "A dye"]
    found = find_flaws(texts, ["stop", "prompt_too_long", "missing", "length", "stop", "length"])
    assert found["empty"] == [True, True, False, False, False, False]
    assert found["cut"] == [False, False, False, True, False, True]
    assert found["repeated"] == [False, False, False, True, False, False]
