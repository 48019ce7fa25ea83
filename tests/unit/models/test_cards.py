"""Model cards hold what they promise, in the hub's own form; uploads need a token and a repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, replace_folder, write_json
from molmix.models.cards import write_card
from molmix.models.manifests import write_manifest
from molmix.models.upload import files_to_upload, push
from tests.hub import Hub, serve

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What a run leaves of a start from the hub, two adapters on it, and their merge."""
    start = {"id": "llm", "kind": "initial", "method": "pretrained", "parents": [], "source": "lab/llm"}
    facts = [start | {"revision": "main", "commit": COMMIT, "license": "llama2"}]
    for name in ("sft", "dpo"):
        settings = {"trl": {"learning_rate": 5e-5}, "lora": {"r": 64}}
        own = {"id": f"llm.{name}", "kind": "aligned", "method": name, "parents": ["llm"]}
        facts.append(own | {"settings": settings, "seed": 7})
    merged = {"id": "llm.sft_dpo.ties", "kind": "merged", "method": "ties", "parents": ["llm.sft", "llm.dpo"]}
    facts.append(merged | {"base": "llm", "settings": {"density": 0.2}, "seed": 7})
    for number, made in enumerate(facts):
        weights = {"path": "adapter" if made["kind"] == "aligned" else "weights", "digest": f"{number:016x}"}
        write_json(tmp_path / "models" / made["id"] / "manifest.json", made | {"weights": weights})
    (tmp_path / "models/llm.sft_dpo.ties/mergekit.yaml").write_text("merge_method: ties\n")
    subset = {"rows": 12, "molecules": 11, "digest": "5eed5eed5eed5eed"}
    write_json(tmp_path / "data.json", {"counts": {"train": {}, "subset": subset}})
    write_json(tmp_path / "pairs.json", {"pairs": 12, "digest": "feedfeedfeedfeed"})
    (tmp_path / "board.csv").write_text(
        "model,test,coverage,coverage_low,coverage_high,valid,valid_low,valid_high\n"
        "llm.sft,lpm24,0.51,0.48,0.54,,,\nllm.sft,chebi20,0.21,0.18,0.24,,,\nllm.sft_dpo.ties,lpm24,0.55,0.52,0.58,,,\n"
    )
    return tmp_path


def card(run: Path, model: str) -> str:
    write_card(
        model=model,
        run="far",
        manifests=run / "models",
        data=run / "data.json",
        pairs=[run / "pairs.json"],
        leaderboard=run / "board.csv",
        level=0.95,
        out=run / "README.md",
    )
    return (run / "README.md").read_text()


def test_an_adapters_card(run: Path) -> None:
    head = ModelCard(card(run, "llm.sft")).data
    assert (head.license, head.base_model, head.library_name) == ("llama2", ["lab/llm"], "peft")
    assert [(r.dataset_name, r.metric_type, r.metric_value) for r in head.eval_results] == [
        ("lpm24", "coverage", 0.51),
        ("chebi20", "coverage", 0.21),
    ]
    text = (run / "README.md").read_text()
    assert "| coverage | 0.51 | 0.48 | 0.54 |" in text  # with its interval
    assert f"lab/llm@{COMMIT}" in text and "- llm: llama2" in text
    assert "5eed5eed5eed5eed" in text and "feedfeedfeedfeed" in text  # digests of the data
    assert "learning_rate: 5.0e-05" in text and "seed: 7" in text
    assert "valid" not in text  # a metric of the other direction


def test_a_card_tells_of_the_corpora_that_were_trained_on_and_no_others(run: Path) -> None:
    counts = {
        name: {"rows": 12, "molecules": 11, "digest": f"{number:016x}"}
        for number, name in enumerate(("subset", "corpora.one.subset", "corpora.two.subset"), start=1)
    }
    write_json(run / "data.json", {"counts": counts})
    other = run / "models/llm.dpo/manifest.json"
    write_json(other, read_json(other) | {"settings": {"corpus": "two"}})
    told = {model: card(run, model) for model in ("llm.sft", "llm.sft_dpo.ties")}
    assert f"{1:016x}" in told["llm.sft"] and "corpora." not in told["llm.sft"]
    assert "- subset: " in told["llm.sft_dpo.ties"] and "- corpora.two.subset: " in told["llm.sft_dpo.ties"]
    assert "corpora.one" not in told["llm.sft_dpo.ties"]


def test_a_merges_card_tells_of_all_it_was_made_from(run: Path) -> None:
    text = card(run, "llm.sft_dpo.ties")
    assert ModelCard(text).data.library_name == "transformers"
    assert "merge_method: ties" in text
    for model in ("llm.sft_dpo.ties", "llm.sft", "llm.dpo", "llm"):
        assert f"| {model} | " in text


def test_a_model_that_has_no_scores(run: Path) -> None:
    with pytest.raises(MolmixError, match=r"has no row of 'llm\.dpo'"):
        card(run, "llm.dpo")


def test_uploads_want_a_token(run: Path, monkeypatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(MolmixError, match="HF_TOKEN: is not set"):
        push(manifest=run / "m.json", card=run / "README.md", repository="lab/x", private=True, out=run / "out.json")


def test_an_upload_holds_the_model_and_its_card_and_no_hidden_file(tmp_path: Path) -> None:
    """It held `.made-by-molmix`, and of folders that are linked nothing."""
    with replace_folder(tmp_path / "weights") as part:
        for name in ("config.json", "README.md", "additional_chat_templates/rag.jinja", ".cache/left"):
            (part / name).parent.mkdir(exist_ok=True)
            (part / name).write_text("{}")
    (tmp_path / "weights/.snakemake_timestamp").touch()
    found = files_to_upload(tmp_path / "weights", tmp_path / "card.md")
    assert list(found) == ["README.md", "additional_chat_templates/rag.jinja", "config.json"]
    assert found["README.md"] == tmp_path / "card.md"


@pytest.mark.slow
def test_a_hub_that_refuses_or_is_not_there(run: Path) -> None:
    card(run, "llm.sft")
    adapter = run / "models/llm.sft/adapter"
    adapter.mkdir()
    manifest = read_json(run / "models/llm.sft/manifest.json")
    write_manifest(run / "models/llm.sft/manifest.json", manifest, adapter)
    code = """
from pathlib import Path
from molmix.models.upload import push
try:
    push(manifest=Path("models/llm.sft/manifest.json"), card=Path("README.md"), repository="lab/x", private=True,
         out=Path("out.json"))
except Exception as error:
    print(type(error).__name__, error)
"""
    with serve(Hub()) as hub:  # one that takes no uploads
        refusing = hub.address
        for address, said in ((refusing, "the hub refuses the upload"), ("http://127.0.0.1:9", "cannot be reached")):
            environment = os.environ | {"HF_ENDPOINT": address, "HF_TOKEN": "hf_x"}
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=run, env=environment, text=True, capture_output=True, check=True
            )
            assert done.stdout.startswith("MolmixError") and said in done.stdout, done.stdout
    assert not (run / "out.json").exists()
