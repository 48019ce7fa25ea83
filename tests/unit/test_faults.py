"""The fault campaign follows the messages of the library."""

from pathlib import Path

import pytest
from faults.trial import MESSAGE

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table
from molmix.models.weights import damaged


@pytest.mark.parametrize("read", [read_json, read_table])
def test_the_campaign_finds_which_file_to_make_again(read, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{")
    with pytest.raises(MolmixError) as error:
        read(path)
    of_a_job = f"Finished job 1.\nmolmix score: {error.value}\nError in rule score:\n"
    of_the_start = f'WorkflowError in file "rules/common.smk", line 95:\n{error.value}\n  File "Snakefile", line 59\n'
    for said in (of_a_job, of_the_start):
        found = MESSAGE.search(said)
        assert found is not None and found[1].split() == [str(path)]


def test_damaged_weights_of_a_run_are_made_again_by_their_manifest(tmp_path: Path) -> None:
    weights = tmp_path / "weights/model.safetensors"
    weights.parent.mkdir()
    said = f"molmix align: {damaged(weights, 'is damaged')}\n"
    assert MESSAGE.search(said) is None  # a model that is not of the run has nothing that makes it
    (tmp_path / "manifest.json").touch()
    found = MESSAGE.search(f"molmix align: {damaged(weights, 'is damaged')}\n")
    assert found is not None and found[1] == str(tmp_path / "manifest.json")
