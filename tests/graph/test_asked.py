"""Models that are asked in different ways, in the real graph: in a chat template, with examples, behind an endpoint."""

import copy
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from molmix.core.files import read_json, read_table
from molmix.generation.few_shot import EXAMPLES
from tests.endpoints import endpoint
from tests.unit.models.test_chat import make, save

pytestmark = pytest.mark.slow


def test_they_stand_side_by_side(micro: dict[str, Any], snakemake: Any, tmp_path: Path) -> None:
    save(make("chatml"), tmp_path / "instruct")
    pretrained = {"kind": "pretrained", "id": "instruct/weights"}
    study = copy.deepcopy(micro) | {
        "universal": {},
        "merge": {},
        "prompts": {"template": "chat", "system": "Be brief."},
    }
    study["data"]["tests"] = {"id": study["data"]["tests"]["id"]}
    study["align"] = {"sft": {"method": "sft", "starts": ["instruct"], "lora": {"r": 2}, "settings": {"max_steps": 2}}}
    study["preferences"] = {"rejected": {"mol2cap": {"kind": "model", "model": "instruct"}}}
    with endpoint(lambda request: "The molecule is a dye.\nIt is blue.") as (url, asked):
        study["initial"] = {
            "instruct": pretrained,
            "few": pretrained | {"examples": {"number": 2}},
            "gpt": {"kind": "endpoint", "base_url": url, "model": "m", "key_variable": None, "completion_price": 10}
            | {"examples": {"number": 1, "split": "train"}},
        }
        done = snakemake(tmp_path, "generate_all", study=study)
        assert done.returncode == 0, done.stdout
        (tmp_path / "results/micro/predictions/gpt/id.parquet").unlink()
        number = len(asked)
        done = snakemake(tmp_path, "generate_all", study=study)
        assert done.returncode == 0 and len(asked) == number  # from the cache
    run = tmp_path / "results/micro"
    gpt = read_table(run / "predictions/gpt/id.parquet").to_pylist()
    assert {row["text"] for row in gpt} == {"The molecule is a dye."}  # one line, as in the examples
    assert read_json(run / "models/gpt/manifest.json")["answered"]["id"]["cost"] == pytest.approx(len(gpt) * 20 * 1e-5)
    training = {row["molecule"] for row in read_table(run / "data/train.parquet").to_pylist()}
    for request in asked:
        system, user = request["messages"]
        example, question = user["content"].split("\n\n")
        assert system["content"] == "Be brief."
        assert example.split("\n")[0].removeprefix("Molecule: ") in training - {question.split("\n")[0][10:]}
    counts = json.loads(pq.read_schema(run / "predictions/few/id.parquet").metadata[EXAMPLES.encode()])
    assert counts == {"examples": 16, "shortened": 0}
    assert all("\n" not in row["text"] for row in read_table(run / "predictions/few/id.parquet").to_pylist())
    assert read_json(run / "models/instruct.sft/manifest.json")["settings"]["chat"] == {"system": "Be brief."}
