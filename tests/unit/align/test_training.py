"""Trainings: rows that are counted, runs that are killed and resume."""

import gc
import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

from molmix.align import checkpoints
from molmix.align.settings import METHODS, resolve_settings
from molmix.core.errors import MolmixError
from molmix.core.files import read_json, read_table, write_json, write_table
from molmix.metrics import Options
from molmix.metrics.scorer import scorer_settings
from tests.forked import ForkedPython
from tests.unit.core.test_tracking import logged, scalars

pytestmark = pytest.mark.slow  # trainings
TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}
OF_PAIRS = [name for name, method in METHODS.items() if method.texts()]
CAPTIONS = ["an alcohol", "an acid that smells", "a ring", "a chain of carbon atoms", "an amine", "a salt"]


# ---- a small start and its pairs ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer():
    from molmix.models.small import make_tokenizer

    return make_tokenizer([("CCO", caption) for caption in CAPTIONS], TEMPLATES, 300)


@pytest.fixture(scope="module")
def start(tokenizer, tmp_path_factory) -> Path:
    """Manifest of a tiny random Llama that reads 96 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from molmix.models.manifests import write_manifest

    folder = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(1)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=96, **shape)
    LlamaForCausalLM(config).save_pretrained(folder / "weights")
    tokenizer.save_pretrained(folder / "weights")
    write_manifest(folder / "manifest.json", {"id": "tiny", "kind": "initial", "parents": []}, folder / "weights")
    return folder / "manifest.json"


def row(number: int, split: str = "train", **over: str) -> dict[str, str]:
    return {
        "split": split,
        "id": f"r{number}",
        "direction": "mol2cap",
        "prompt": f"Molecule: {'C' * (number % 7 + 1)}O\nCaption:",
        "chosen": f" {CAPTIONS[number % 6]}",
        "rejected": f" {CAPTIONS[(number + 1) % 6]}",
    } | over


def table(path: Path, rows: list[dict[str, str]]) -> Path:
    import pyarrow as pa

    write_table(path, pa.Table.from_pylist(rows))
    return path


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    rows = [row(number) for number in range(16)] + [row(number, "validation") for number in range(16, 20)]
    return table(tmp_path_factory.mktemp("preferences") / "pairs.parquet", rows)


@pytest.fixture(scope="module")
def run(start, pairs):
    """Align by a method into a folder; checkpoints go beside it."""
    from molmix.align.distributed import launch
    from molmix.align.training import align

    gc.freeze()  # every training collects garbage, and would look at all that was imported

    def _run(method, out, over=None, lora=None, **given):
        trl = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 1e-2}
        resolved = resolve_settings(
            method,
            reference=given.pop("reference", "start"),
            settings=trl | (over or {}),
            lora={"r": 4} | (lora or {}),
        )
        resolved |= {name: given.pop(name) for name in ("evaluation", "scorer") if name in given}
        processes = given.pop("processes", 1)
        arguments = {
            "model_id": out.name,
            "start": start,
            "pairs": pairs,
            "out": out,
            "work": out.with_name(f"{out.name}.work"),
            "settings": resolved,
            "seed": 3,
            "threads": 1,
            "trackers": ["tensorboard"],
            "curves": out.parent / "run" / "tensorboard" / out.name,
        } | given
        if processes > 1:
            launch(arguments, processes)
        else:
            align(**arguments)
        return read_json(out / "manifest.json")

    return _run


@pytest.fixture
def forked(monkeypatch) -> None:
    """torchrun and its processes start as forks."""
    import torch.distributed.run  # noqa: F401 (the forks find it imported)
    from torch.distributed.elastic.multiprocessing.subprocess_handler import subprocess_handler

    monkeypatch.setattr("subprocess.Popen", ForkedPython)
    monkeypatch.setattr(subprocess_handler, "Popen", ForkedPython)


def counts(**given: int) -> dict[str, int]:
    from molmix.align.dataset import COUNTS

    return dict.fromkeys(COUNTS, 0) | given


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*OF_PAIRS, "orpo", "ipo"])
def test_every_method_makes_an_adapter_a_log_and_a_manifest(method, run, start, tmp_path):
    from safetensors.torch import load_file

    from molmix.models.loading import load

    out = tmp_path / "models" / "m"
    manifest = run(method, out, {"eval_steps": 2})
    assert manifest["rows"] == counts(train=16, validation=4)
    assert manifest["steps"] == (8 if method == "kto" else 4)
    assert manifest["parents"] == ["tiny"]
    assert manifest["inputs"]["start"] == read_json(start)["weights"]["digest"]
    assert manifest["window"] == 96

    weights = load_file(out / "adapter" / "adapter_model.safetensors")
    assert sum(weight.numel() for weight in weights.values()) == manifest["parameters"]
    assert all(weight.abs().max() > 0 for name, weight in weights.items() if "lora_B" in name)

    log = read_table(out / "log.parquet")
    assert log["step"].to_pylist() == list(range(1, manifest["steps"] + 1))
    assert manifest["final_loss"]["train"] == log["loss"][-1].as_py()
    assert manifest["final_loss"]["validation"] == log["eval_loss"][-1].as_py()
    assert {str(column.type) for column in log.columns[1:]} == {"double"}
    assert {path.name for path in out.iterdir()} == {"adapter", "log.parquet", "manifest.json"}
    assert not out.with_name("m.work").exists()

    # A later stage loads the adapter onto its start, found beside it.
    (out.parent / "tiny").symlink_to(start.parent)
    _, tokenizer = load(out / "manifest.json")
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    assert read_json(out / "adapter" / "adapter_config.json")["r"] == 4


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_two_processes_make_what_one_makes(method, run, forked, tmp_path):
    # Without dropout, which each process draws for itself.
    manifests = [
        run(method, tmp_path / f"on-{count}", {"gradient_accumulation_steps": 2}, {"dropout": 0.0}, processes=count)
        for count in (1, 2)
    ]
    assert [manifest["steps"] for manifest in manifests] == [2, 2]
    logs = [read_table(tmp_path / f"on-{count}" / "log.parquet") for count in (1, 2)]
    for column in ("loss", "eval_loss"):
        one, two = (log[column].drop_null().to_pylist() for log in logs)
        assert two == pytest.approx(one, rel=1e-3)
    assert {path.name for path in (tmp_path / "on-2").iterdir()} == {"adapter", "log.parquet", "manifest.json"}
    assert not (tmp_path / "on-2.work").exists()


@pytest.mark.parametrize(("method", "over"), [("sft", {}), ("dpo", {"precompute_ref_log_probs": True})])
def test_two_processes_go_on_in_the_second_epoch_of_one(method, over, run, forked, tmp_path, monkeypatch):
    # 3 epochs of 2 steps; the checkpoint is in the middle of the second.
    over = over | GROUPED | {"gradient_accumulation_steps": 4, "num_train_epochs": 3.0, "save_steps": 3}
    run(method, tmp_path / "undisturbed", over, {"dropout": 0.0})
    with monkeypatch.context() as patch:
        kill_at(patch, 4)
        with pytest.raises(Killed):
            run(method, tmp_path / "m", over, {"dropout": 0.0})
    run(method, tmp_path / "m", over, {"dropout": 0.0}, processes=2)
    one, two = (read_table(tmp_path / name / "log.parquet")["loss"].to_pylist() for name in ("undisturbed", "m"))
    assert two[:3] == one[:3]  # by the first process alone
    assert two == pytest.approx(one, rel=1e-3)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_two_processes_save_when_the_job_is_asked_to_end(number, run, tmp_path, request):
    if number != signal.SIGTERM:  # with SIGTERM, all processes start as in a job
        request.getfixturevalue("forked")
    over = {"num_train_epochs": 60.0, "gradient_accumulation_steps": 2}
    training = multiprocessing.get_context("fork").Process(
        target=ends_with_its_message, args=(run, tmp_path / "m", over, tmp_path / "said")
    )
    training.start()
    work = tmp_path / "m.work"
    while not (said := checkpoints.last_progress(work) if work.exists() else None) or said["step"] < 3:
        assert training.is_alive()
        time.sleep(0.05)
    os.kill(training.pid, number)
    training.join(60)
    assert f"{number.name} ended its training at step" in (tmp_path / "said").read_text()
    reached = checkpoints.last_progress(work)["step"]
    assert checkpoints.last_complete(next(work.iterdir())).name == f"checkpoint-{reached}"
    assert 3 <= reached < 120 and not (tmp_path / "m").exists()


def ends_with_its_message(run, out: Path, over: dict, said: Path) -> None:
    try:
        run("sft", out, over, processes=2)
    except MolmixError as error:
        said.write_text(str(error))


def test_processes_that_cannot_share_the_batch_say_so(run, forked, tmp_path):
    with pytest.raises(MolmixError, match=r"hardware.gpus.align: 3 divides neither .*steps` \(1\) nor .*size` \(4\)"):
        run("sft", tmp_path / "m", processes=3)


@pytest.mark.parametrize("method", ["sft", "kto"])
def test_the_same_run_again_makes_the_same_bytes(method, run, tmp_path):
    over, lora = {"max_steps": 3}, {"dropout": 0.2, "use_dora": True}
    for name in "ab":
        run(method, tmp_path / name / "m", over, lora)
    assert contents(tmp_path / "a" / "m") == contents(tmp_path / "b" / "m")
    run(method, tmp_path / "c" / "m", over, lora, seed=4)
    assert contents(tmp_path / "a" / "m") != contents(tmp_path / "c" / "m")


def test_another_reference_changes_the_loss(run, tmp_path):
    losses = [
        run("dpo", tmp_path / reference, {"max_steps": 1}, reference=reference)["final_loss"]["train"]
        for reference in ("start", "random", "uniform")
    ]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # log 2: policy and reference are one
    assert min(abs(losses[1] - losses[0]), abs(losses[2] - losses[0]), abs(losses[2] - losses[1])) > 1e-4


def test_no_validation_rows_no_validation_loss(run, tmp_path):
    only = table(tmp_path / "pairs.parquet", [row(number) for number in range(8)])
    manifest = run("cpo", tmp_path / "m", pairs=only)
    assert manifest["final_loss"]["validation"] is None
    assert "eval_loss" not in read_table(tmp_path / "m" / "log.parquet").column_names


def test_an_exploding_run_ends_before_it_is_saved(run, tmp_path):
    with pytest.raises(MolmixError, match=r"model m: .* is (nan|inf) at step \d+ of \d+\n.*learning_rate"):
        run("sft", tmp_path / "m", {"learning_rate": 1e30, "max_grad_norm": 0.0, "save_steps": 1})
    assert not (tmp_path / "m").exists()


def test_settings_that_only_trl_can_refuse_are_refused_for_people(run, tmp_path):
    with pytest.raises(MolmixError, match=r"model m: TRL refuses its settings: .*no_such"):
        run("sft", tmp_path / "m", lora={"target_modules": ["no_such"]})


# ---- chains ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain(run, start, tmp_path_factory) -> Path:
    """Folder of models: the start ``tiny``, and its SFT policy ``tiny.sft``."""
    models = tmp_path_factory.mktemp("chain")
    (models / "tiny").symlink_to(start.parent)
    run("sft", models / "tiny.sft", lora={"dropout": 0.0})
    return models


def resolved(method: str, adapter: str, **settings) -> dict:
    trl = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "learning_rate": 1e-2, "max_steps": 2}
    lora = {"lora": {"r": 4}} if adapter == "new" else {}
    return resolve_settings(method, adapter=adapter, settings=trl | settings, **lora)


def folded(models: Path, *adapters: str) -> dict:
    """PEFT's own full weights of ``tiny`` with some adapters, one after the other."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(models / "tiny" / "weights")
    for name in adapters:
        model = PeftModel.from_pretrained(model, models / name / "adapter").merge_and_unload()
    return model.state_dict()


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_second_alignment_is_trained_on_the_folded_first(method, run, chain):
    """The reference is the folded start: at the first step policy and reference are one."""
    import torch

    from molmix.models.loading import load
    from molmix.models.lora_folding import weights_of

    name = f"tiny.sft.{method}"
    manifest = run(method, chain / name, start=chain / "tiny.sft" / "manifest.json", settings=resolved(method, "new"))
    assert manifest["parents"] == ["tiny.sft"] and "adapts" not in manifest
    assert manifest["inputs"]["start"] == read_json(chain / "tiny.sft" / "manifest.json")["weights"]["digest"]
    first = read_table(chain / name / "log.parquet")["loss"][0].as_py()
    assert first == pytest.approx({"dpo": 0.6931, "kto": 0.5}[method], abs=1e-3)

    expected = folded(chain, "tiny.sft", name)
    weights = weights_of(chain / name / "manifest.json")
    for tensor in weights.shapes:
        torch.testing.assert_close(weights.tensor(tensor), expected[tensor], rtol=0, atol=1e-6)
    model, _ = load(chain / name / "manifest.json")
    for tensor, weight in model.state_dict().items():
        torch.testing.assert_close(weight, expected[tensor], rtol=0, atol=1e-6)


def test_the_log_probabilities_of_a_reference_are_those_of_the_folded_start(run, chain):
    """TRL logs them with the policy's, which the first step has not changed yet."""
    import torch
    from transformers import AutoModelForCausalLM

    from molmix.models.tokenization import tokenize_prompts

    out = chain / "tiny.sft.ipo"
    start = chain / "tiny.sft" / "manifest.json"
    run("dpo", out, start=start, settings=resolved("dpo", "new", per_device_train_batch_size=16, max_steps=1))
    logged_chosen = read_table(out / "log.parquet")["logps/chosen"][0].as_py()

    model = AutoModelForCausalLM.from_pretrained(chain / "tiny" / "weights")
    model.load_state_dict(folded(chain, "tiny.sft"))
    from molmix.models.loading import load_tokenizer

    tokenizer = load_tokenizer(chain / "tiny" / "weights")
    sums = []
    for number in range(16):
        one = row(number)
        [prompt] = tokenize_prompts(tokenizer, [one["prompt"]], start)
        ids = torch.tensor(tokenizer(one["prompt"] + one["chosen"] + tokenizer.eos_token)["input_ids"])
        with torch.no_grad():
            logps = model(ids[None]).logits[0].log_softmax(-1)
        sums.append(logps[:-1].gather(1, ids[1:, None])[len(prompt) - 1 :, 0].sum().item())
    assert logged_chosen == pytest.approx(sum(sums) / 16, rel=1e-4)


def test_an_adapter_that_is_continued_keeps_its_start(run, chain):
    import torch

    from molmix.models.loading import load
    from molmix.models.lora_folding import weights_of
    from molmix.models.manifests import start_manifest

    start, out = chain / "tiny.sft" / "manifest.json", chain / "tiny.sft.more"
    manifest = run("dpo", out, start=start, settings=resolved("dpo", "continued"))
    assert (manifest["parents"], manifest["adapts"]) == (["tiny.sft"], "tiny")
    assert manifest["inputs"]["continued"] == read_json(start)["weights"]["digest"]
    assert manifest["inputs"]["start"] == read_json(chain / "tiny" / "manifest.json")["weights"]["digest"]
    assert start_manifest(out / "manifest.json").parent.name == "tiny"
    assert not [path for path in (out / "adapter").iterdir() if path.is_dir()]  # no copy for the reference
    assert read_table(out / "log.parquet")["loss"][0].as_py() == pytest.approx(0.6931, abs=1e-3)
    assert read_json(out / "adapter" / "adapter_config.json")["r"] == 4
    expected, weights = folded(chain, "tiny.sft.more"), weights_of(out / "manifest.json")
    before = weights_of(start)
    assert any(not torch.equal(weights.tensor(name), before.tensor(name)) for name in weights.shapes)
    for name in weights.shapes:
        torch.testing.assert_close(weights.tensor(name), expected[name], rtol=0, atol=1e-6)
    load(out / "manifest.json")


@pytest.mark.parametrize("method", OF_PAIRS)
def test_all_weights_can_be_trained_instead_of_an_adapter(method, run, chain, tmp_path):
    import torch

    from molmix.models.loading import load
    from molmix.models.lora_folding import weights_of

    start, out = chain / "tiny.sft" / "manifest.json", chain / f"tiny.sft.all-{method}"
    manifest = run(method, out, start=start, settings=resolved(method, "none", learning_rate=1e-3))
    assert manifest["weights"]["path"] == "weights" and {path.name for path in out.iterdir()} == {
        "weights",
        "log.parquet",
        "manifest.json",
    }
    if METHODS[method].has_reference:
        first = read_table(out / "log.parquet")["loss"][0].as_py()
        assert first == pytest.approx({"dpo": 0.6931, "kto": 0.5}.get(method, first), abs=1e-3)
    model, _ = load(out / "manifest.json")
    assert manifest["parameters"] == sum(weight.numel() for weight in model.parameters())
    before, after = weights_of(start), weights_of(out / "manifest.json")
    changed = [name for name in after.shapes if not torch.equal(after.tensor(name), before.tensor(name))]
    assert changed == list(after.shapes)  # the norms and the embedding, too
    text = b"".join(path.read_bytes() for path in (out / "weights").glob("*.json"))
    assert str(out.parent).encode() not in text


@pytest.mark.parametrize("method", ["sft", "dpo"])
@pytest.mark.parametrize(
    "lora",
    [
        {"init_lora_weights": "pissa"},
        {"init_lora_weights": "olora", "use_rslora": True},
        {"init_lora_weights": "gaussian", "use_dora": True},
        {"modules_to_save": ["lm_head", "norm"]},
    ],
)
def test_adapters_of_every_kind_are_folded_as_they_were_trained(method, lora, run, start, tmp_path):
    """The folded weights are those of the trained model, whose start PiSSA and OLoRA have changed."""
    import torch

    from molmix.align import training
    from molmix.models.lora_folding import weights_of

    (tmp_path / "tiny").symlink_to(start.parent)
    trained = {}
    write = training._write_model

    def remember(*given):
        write(*given)
        trained.update(given[1].merge_and_unload().state_dict())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_write_model", remember)
        manifest = run(method, tmp_path / "m", {"max_steps": 2}, lora | {"dropout": 0.0})
    weights = weights_of(tmp_path / "m" / "manifest.json")
    for name in weights.shapes:
        torch.testing.assert_close(weights.tensor(name), trained[name], rtol=0, atol=2e-6)
    moved = [not torch.equal(weights.tensor(name), weights.start.tensor(name)) for name in weights.adapted]
    assert all(moved)
    if method == "dpo":  # the reference is the start, not what PiSSA and OLoRA leave of it
        assert read_table(tmp_path / "m" / "log.parquet")["loss"][0].as_py() == pytest.approx(0.6931, abs=1e-3)
    assert manifest["settings"]["lora"].items() >= lora.items()


# ---- rows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", OF_PAIRS)
def test_rows_that_do_not_fit_are_dropped_or_cut_and_counted(method, run, tmp_path):
    rows = [row(number) for number in range(6)]
    rows.append(row(6, prompt=f"Molecule: {'N#' * 60}\nCaption:"))  # fills the window of 96 tokens
    rows.append(row(7, chosen=" an amine" * 60))
    rows.append(row(8, rejected=" an amine" * 60))
    manifest = run(method, tmp_path / "m", {"max_steps": 1}, pairs=table(tmp_path / "pairs.parquet", rows))
    cut = 1 if method == "sft" else 2
    assert manifest["rows"] == counts(train=8, dropped_prompt_too_long=1, truncated=cut)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"prompt": "Molecule: CCO\nCapt", "chosen": "ion: an acid"}, "in 1 of 2 texts, row 'r0' the first"),
        ({"rejected": " an </s> acid"}, "1 of 2 texts, row 'r0' the first, have '<s>' or '</s>' elsewhere"),
        ({"prompt": f"Molecule: {'N#' * 60}\nCaption:"}, r"no row is left to train on \(1 prompts fill the window"),
        ({"split": "validation"}, r"no row is left to train on \(0 prompts"),
    ],
)
def test_rows_that_would_train_wrongly_are_refused(over, said, tokenizer, tmp_path):
    from molmix.align.dataset import prepare_rows

    with pytest.raises(MolmixError, match=said):
        prepare_rows(table(tmp_path / "pairs.parquet", [row(0, **over)]), tokenizer, "preference", 96, 0)


@pytest.mark.parametrize("dataset_type", ["preference", "unpaired-preference"])
def test_pairs_that_differ_after_the_window_only_are_dropped_and_counted(dataset_type, tokenizer, tmp_path):
    from molmix.align.dataset import prepare_rows

    same = " an amine" * 60
    rows = [row(0), row(1, chosen=f"{same} a", rejected=f"{same} the"), row(2, rejected=" ")]
    made = prepare_rows(table(tmp_path / "pairs.parquet", rows), tokenizer, dataset_type, 96, 0)
    assert made.counts == counts(train=2, dropped_equal_when_cut=1, empty_rejected=1)
    assert len(made.train) == (2 if dataset_type == "preference" else 4)
    chosen = prepare_rows(tmp_path / "pairs.parquet", tokenizer, "prompt-completion", 96, 0)
    assert chosen.counts == counts(train=3, truncated=1)  # no rejected text is read


def test_a_last_batch_that_is_too_small_to_learn_from_is_refused(run, tmp_path):
    rows = table(tmp_path / "pairs.parquet", [row(number) for number in range(5)])
    with pytest.raises(MolmixError, match="its 10 rows would hold 1, and kto cannot learn from fewer than 2"):
        run("kto", tmp_path / "m", {"per_device_train_batch_size": 3}, pairs=rows)


def test_a_reference_model_is_refused_by_a_method_without_one(run, tmp_path):
    settings = resolve_settings("sft") | {"reference": "random"}
    with pytest.raises(MolmixError, match="model m: sft has no reference model"):
        run("sft", tmp_path / "m", settings=settings)


def test_unpaired_rows_are_shuffled_with_the_seed(pairs, tokenizer):
    from molmix.align.dataset import prepare_rows

    made = [prepare_rows(pairs, tokenizer, "unpaired-preference", 96, seed).train for seed in (1, 1, 2)]
    labels = [[example["label"] for example, _ in rows] for rows in made]
    assert labels[0] == labels[1] != labels[2]
    assert sorted(labels[0]) == [False] * 16 + [True] * 16
    assert labels[0] not in ([True, False] * 16, sorted(labels[0]), sorted(labels[0], reverse=True))


@pytest.mark.parametrize("rows", [1, 3, 4, 9, 100, 1003])
def test_rows_by_length_are_all_there_and_in_an_order_of_their_own_each_epoch(rows):
    import itertools
    import random

    from molmix.align.dataset import LengthGroupedOrder

    lengths = [random.Random(number).randrange(10, 90) for number in range(rows)]
    order, again, other = (LengthGroupedOrder(lengths, 4, seed) for seed in (1, 1, 5))
    first = list(order)
    assert sorted(first) == list(range(rows)) == list(range(len(order)))
    assert first == list(order) == list(again)
    assert max(lengths) in [lengths[index] for index in first[:4]]
    order.set_epoch(1)
    if rows > 9:
        assert first != list(order) != list(other) != first
        batches = [[lengths[index] for index in first[begin : begin + 4]] for begin in range(0, rows - 4, 4)]
        assert sum(max(batch) * 4 - sum(batch) for batch in batches) < sum(lengths) * 0.2  # some .4 at random
        falls = [one[0] > next_one[0] for one, next_one in itertools.pairwise(batches)]
        assert sum(falls) < len(falls) * 0.7  # no way from long to short
    again.set_epoch(1)
    assert list(order) == list(again)


@pytest.mark.parametrize("spare", ["<|finetune_right_pad_id|>", "<unk>", "<|reserved_special_token_0|>", None])
def test_padding_takes_a_spare_token_and_never_eos(spare):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    from molmix.align.policy import set_padding_token

    kind = "unk_token" if spare == "<unk>" else "extra_special_tokens"
    special = {kind: spare if spare == "<unk>" else [spare]} if spare else {"pad_token": "</s>"}
    words = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    bare = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>", **special)
    if spare:
        set_padding_token(bare, Path("manifest.json"))
        assert bare.pad_token == spare
    else:
        with pytest.raises(MolmixError, match="no token to pad with except EOS"):
            set_padding_token(bare, Path("manifest.json"))


def test_cpo_adds_no_bos_that_the_tokenizer_does_not_use(tokenizer, start, run, tmp_path):
    """GPT-2's kind of tokenizer: TRL's own check of texts would end the run if CPO added one."""
    import shutil

    from molmix.models.manifests import write_manifest

    folder = tmp_path / "models" / "plain"
    shutil.copytree(start.parent, folder)
    text = json.loads((folder / "weights" / "tokenizer.json").read_text())
    text["post_processor"] = None
    (folder / "weights" / "tokenizer.json").write_text(json.dumps(text))
    write_manifest(folder / "manifest.json", {"id": "plain", "kind": "initial", "parents": []}, folder / "weights")
    manifest = run("cpo", tmp_path / "models" / "m", {"max_steps": 1}, start=folder / "manifest.json")
    assert manifest["steps"] == 1
    assert "<s>" in (tmp_path / "models" / "m" / "adapter" / "tokenizer_config.json").read_text()


# ---- killed runs ----------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a signal: nothing in the code may catch it."""


def kill_at(monkeypatch, step: int) -> None:
    from molmix.align.callbacks import ProgressCallback

    whole = ProgressCallback.on_step_end

    def _dying(self, args, state, control, **given):
        if state.global_step == step:
            raise Killed
        return whole(self, args, state, control, **given)

    monkeypatch.setattr(ProgressCallback, "on_step_end", _dying)


# 2 epochs of 4 steps; a checkpoint every second step, one of them at the first epoch's end.
LONG = {"num_train_epochs": 2.0, "save_steps": 2}


@pytest.fixture(scope="module")
def undisturbed(run, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "m"
    run("sft", out, LONG, {"dropout": 0.2})
    return contents(out)


@pytest.mark.parametrize("step", [1, 4, 5, 7])
def test_a_killed_run_goes_on_to_the_same_bytes(step, run, undisturbed, tmp_path, monkeypatch):
    out = tmp_path / "m"
    with monkeypatch.context() as patch:
        kill_at(patch, step)
        with pytest.raises(Killed):
            run("sft", out, LONG, {"dropout": 0.2})
    for thread in threading.enumerate():  # nothing goes on logging its progress
        assert thread.name != "progress" or thread.join(5) or not thread.is_alive()
    assert not out.exists()
    run("sft", out, LONG, {"dropout": 0.2})
    assert contents(out) == undisturbed
    shown = scalars(tmp_path / "run" / "tensorboard" / "m")  # one curve, whatever was shown before the kill
    for tag, column in (("train/loss", "loss"), ("eval/loss", "eval_loss"), ("train/learning_rate", "learning_rate")):
        assert shown[tag] == logged(out / "log.parquet", column)


# Batches of two, so that there are several lengths to tell apart.
GROUPED = {"train_sampling_strategy": "group_by_length", "per_device_train_batch_size": 2}


@pytest.mark.parametrize(
    ("method", "over", "reference"),
    [
        ("sft", GROUPED, "start"),
        ("cpo", GROUPED, "start"),
        ("dpo", GROUPED | {"precompute_ref_log_probs": True}, "start"),
        ("dpo", GROUPED | {"precompute_ref_log_probs": True}, "random"),
        ("dpo", {"precompute_ref_log_probs": True}, "uniform"),
        ("kto", {"precompute_ref_log_probs": True, "gradient_accumulation_steps": 2}, "start"),
    ],
)
def test_one_killed_in_its_second_epoch_finds_its_rows_again(method, over, reference, run, tmp_path):
    given = (
        LONG | {"gradient_accumulation_steps": 2 if over.items() >= GROUPED.items() else 1} | over,
        {"dropout": 0.2},
    )
    run(method, tmp_path / "whole" / "m", *given, reference=reference)
    for step in (5, 7):
        out = tmp_path / str(step) / "m"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            with pytest.raises(Killed):
                run(method, out, *given, reference=reference)
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step - 1)  # would die if it began anew
            run(method, out, *given, reference=reference)
        assert contents(out) == contents(tmp_path / "whole" / "m")


@pytest.mark.parametrize("reference", ["start", "random", "uniform"])
@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_a_reference_asked_once_says_what_it_says_each_time(method, reference, run, tmp_path):
    for name, once in (("once", True), ("each", False)):
        run(method, tmp_path / name, LONG | {"precompute_ref_log_probs": once}, reference=reference)
    once, each = (read_table(tmp_path / name / "log.parquet") for name in ("once", "each"))
    for column in ("loss", "eval_loss", "rewards/chosen"):
        assert once[column].drop_null().to_pylist() == pytest.approx(each[column].drop_null().to_pylist(), abs=1e-4)


def test_a_run_killed_while_it_writes_goes_on_to_the_same_bytes(run, undisturbed, tmp_path, monkeypatch):
    out = tmp_path / "m"
    with monkeypatch.context() as patch:
        patch.setattr("molmix.align.training.write_table", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            run("sft", out, LONG, {"dropout": 0.2})
    assert (out / "adapter").exists()
    kill_at(monkeypatch, 8)  # would die if it trained again instead of going on from the last checkpoint
    run("sft", out, LONG, {"dropout": 0.2})
    assert contents(out) == undisturbed


def test_how_far_it_is_can_be_read_while_it_runs(run, tmp_path, monkeypatch):
    out, work = tmp_path / "m", tmp_path / "m.work"
    with monkeypatch.context() as patch:
        kill_at(patch, 7)
        with pytest.raises(Killed):
            run("sft", out, LONG, {"dropout": 0.2})
    said = checkpoints.last_progress(work)
    assert (said["step"], said["of"]) == (6, 8) and 0 < said["loss"] < 20 and 0 < said["eval_loss"] < 20
    run("sft", out, LONG, {"dropout": 0.2})
    assert checkpoints.last_progress(work) is None  # it is done: its log is a table


@pytest.mark.parametrize("step", [1, 4, 7])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_run_that_is_asked_to_end_saves_that_step_and_goes_on_from_it(
    name, step, run, undisturbed, tmp_path, monkeypatch
):
    import signal

    from molmix.align.callbacks import ProgressCallback

    def _asked(self, args, state, control, **given):
        if state.global_step == step:
            os.kill(os.getpid(), signal.Signals[name])
        return whole(self, args, state, control, **given)

    out, whole = tmp_path / "m", ProgressCallback.on_step_end
    before = signal.getsignal(signal.Signals[name])
    with monkeypatch.context() as patch:
        patch.setattr(ProgressCallback, "on_step_end", _asked)
        with pytest.raises(MolmixError, match=f"model m: {name} ended its training at step {step} of 8\n.*again"):
            run("sft", out, LONG, {"dropout": 0.2})
    assert signal.getsignal(signal.Signals[name]) is before
    (folder,) = (tmp_path / "m.work").iterdir()
    assert checkpoints.last_complete(folder).name == f"checkpoint-{step}"
    kill_at(monkeypatch, step)  # would die if it did not go on from that step
    run("sft", out, LONG, {"dropout": 0.2})
    assert contents(out) == undisturbed


def test_a_run_saves_by_the_clock_too(run, tmp_path, monkeypatch):
    monkeypatch.setattr("molmix.align.callbacks.SECONDS_BETWEEN_CHECKPOINTS", 0)
    kill_at(monkeypatch, 6)
    with pytest.raises(Killed):
        run("sft", tmp_path / "m", LONG | {"save_steps": 100})
    (folder,) = (tmp_path / "m.work").iterdir()
    assert checkpoints.last_complete(folder).name == "checkpoint-5"


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset % len(data)] ^= 1
    path.write_bytes(data)


def test_torn_and_damaged_checkpoints_are_passed_over(run, undisturbed, tmp_path, monkeypatch):
    out, work = tmp_path / "m", tmp_path / "m.work"
    with monkeypatch.context() as patch:
        kill_at(patch, 7)
        with pytest.raises(Killed):
            run("sft", out, LONG, {"dropout": 0.2})
    (folder,) = work.iterdir()
    newest = folder / "checkpoint-6"
    files = [path.relative_to(newest) for path in newest.rglob("*") if path.is_file()]
    assert {"optimizer.pt", "adapter_model.safetensors", "trainer_state.json", "complete.json"} <= set(map(str, files))
    for number, file in enumerate(files):
        assert checkpoints.last_complete(folder) == newest
        whole = (newest / file).read_bytes()
        for damage in (
            lambda path, number=number: flip(path, 7919 * number),
            lambda path: path.write_bytes(b"\0" * path.stat().st_size),
            lambda path: os.truncate(path, path.stat().st_size // 2),
            Path.unlink,
        ):
            damage(newest / file)
            assert checkpoints.last_complete(folder).name == "checkpoint-4", file
            (newest / file).write_bytes(whole)
    os.truncate(newest / "optimizer.pt", 100)
    run("sft", out, LONG, {"dropout": 0.2})
    assert contents(out) == undisturbed


def test_a_large_model_multiplies_in_bfloat16_and_keeps_its_weights_in_float32(run, tmp_path, monkeypatch):
    import torch
    from safetensors.torch import load_file

    from molmix.align import training
    from molmix.models import sizes

    monkeypatch.setattr(training, "cpu_has_bfloat16", lambda: True)
    made = {}
    for name, large in (("float32", 10**8), ("bfloat16", 0)):
        monkeypatch.setattr(sizes, "LARGE", large)
        with monkeypatch.context() as patch:
            kill_at(patch, 4)
            with pytest.raises(Killed):
                run("dpo", tmp_path / name)
        (folder,) = (tmp_path / f"{name}.work").iterdir()
        key = read_json(folder / checkpoints.RUN)
        run("dpo", tmp_path / name)
        adapter = load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        made[name] = key["autocast"], read_json(tmp_path / name / "manifest.json"), adapter
    assert [made[name][0] for name in made] == [None, "bfloat16"]
    (_, plain, weights), (_, cast, own) = made.values()
    assert "autocast" not in plain and cast["autocast"] == "bfloat16" and cast["dtype"] == "float32"
    assert {weight.dtype for weight in own.values()} == {torch.float32}
    assert cast["final_loss"]["train"] == pytest.approx(plain["final_loss"]["train"], rel=0.02)
    first, second = (torch.cat([each[name].flatten() for name in sorted(each)]) for each in (weights, own))
    assert not torch.equal(first, second)
    assert torch.cosine_similarity(first, second, dim=0) > 0.999


def test_checkpoints_of_other_settings_are_not_gone_on_from(run, tmp_path, monkeypatch):
    out, work = tmp_path / "m", tmp_path / "m.work"
    with monkeypatch.context() as patch:
        kill_at(patch, 3)
        with pytest.raises(Killed):
            run("sft", out, LONG)
    (folder,) = work.iterdir()
    key = read_json(folder / checkpoints.RUN)
    assert {"settings", "seed", "inputs", "window", "code", "device", "dtype"} < key.keys()
    assert {"torch", "transformers", "trl", "peft", "accelerate"} <= key["packages"].keys()
    # Under other settings the run begins anew beside them, and would die at its first step.
    with monkeypatch.context() as patch:
        kill_at(patch, 1)
        with pytest.raises(Killed):
            run("sft", out, LONG | {"learning_rate": 5e-3})
    assert len(list(work.iterdir())) == 2
    # Under their own name they are refused if they tell of another run.
    write_json(folder / checkpoints.RUN, read_json(folder / checkpoints.RUN) | {"seed": 99})
    with pytest.raises(MolmixError, match="is damaged, or is of another training"):
        run("sft", out, LONG)


def test_a_work_folder_that_is_not_ours_is_refused(tmp_path):
    work = tmp_path / "work"
    work.write_text("notes")
    with pytest.raises(MolmixError, match=r"work: is a file"):
        checkpoints.checkpoint_folder(work, {})
    for name in ("notes.txt", "thesis/chapter.tex"):
        foreign = tmp_path / "mine" / name
        foreign.parent.mkdir(parents=True, exist_ok=True)
        foreign.write_text("mine")
        with pytest.raises(MolmixError, match="is no checkpoint folder of molmix"):
            checkpoints.checkpoint_folder(tmp_path / "mine", {})
        foreign.unlink()


def test_an_interrupted_beginning_is_no_obstacle(tmp_path):
    folder = checkpoints.checkpoint_folder(tmp_path, {"seed": 1})
    (folder / checkpoints.RUN).rename(folder / ".run.json.x.part")
    assert checkpoints.checkpoint_folder(tmp_path, {"seed": 1}) == folder
    assert checkpoints.last_complete(folder) is None


# ---- captions while a model is trained ------------------------------------------------------------------------


def evaluation(early_stopping=None, metrics=("bleu2", "rougeL")) -> dict:
    return {
        "metrics": list(metrics),
        "molecules": 3,
        "early_stopping": early_stopping,
        "generation": {"max_new_tokens": 8, "batch_tokens": 1024, "temperature": 0.7, "top_p": 1.0},
    }


@pytest.fixture(scope="module")
def evaluated(run, pairs, tmp_path_factory):
    """Align by SFT for two epochs with an evaluation every second step."""
    from molmix.data.corpus import CORPUS

    validation = tmp_path_factory.mktemp("data") / "validation.parquet"
    held = [one for one in read_table(pairs).to_pylist() if one["split"] == "validation"]
    rows = [{"id": one["id"], "molecule": f"{'C' * n}O", "caption": one["chosen"]} for n, one in enumerate(held, 1)]
    write_table(validation, rows, CORPUS)

    def _run(out, settings, **over):
        options = Options(judges={}, domain="molecules", vocabulary=None, wordnet=None)
        scorer = scorer_settings(settings["metrics"], options, {}, {}, {}, "key")
        given = {"evaluation": settings, "scorer": scorer, "corpus": {"validation": validation}}
        return run("sft", out, LONG | {"eval_steps": 2} | over, {"dropout": 0.2}, **given)

    return _run


def values(out: Path, column: str) -> list[float]:
    return read_table(out / "log.parquet")[column].drop_null().to_pylist()


def test_caption_metrics_are_logged_and_change_no_weight(run, evaluated, tmp_path):
    without = run("sft", tmp_path / "m", LONG | {"eval_steps": 2}, {"dropout": 0.2})
    made = evaluated(tmp_path / "again" / "m", evaluation())
    assert made["weights"]["digest"] == without["weights"]["digest"] and made["steps"] == 8
    for metric in ("bleu2", "rougeL"):
        figures = values(tmp_path / "again" / "m", f"eval_{metric}")
        assert len(figures) == 4 and all(0 <= figure <= 1 for figure in figures)
    assert "best_step" not in made


def test_an_undefined_metric_ends_the_training(evaluated, tmp_path):
    with pytest.raises(MolmixError, match=r"(?s)'f1' has no value.*such as bleu4"):
        evaluated(tmp_path / "m", evaluation(metrics=["f1"]))


def test_early_stopping_keeps_the_best_weights_also_after_a_kill(evaluated, tmp_path):
    stopping = evaluation({"metric": "rougeL", "patience": 2})
    over = {"num_train_epochs": 6.0, "save_steps": 3, "lr_scheduler_type": "constant", "warmup_steps": 0}
    made = evaluated(tmp_path / "whole" / "m", stopping, **over)
    figures = values(tmp_path / "whole" / "m", "eval_rougeL")
    best = figures.index(max(figures))
    assert len(figures) == best + 3  # two evaluations without a better value
    assert made["best_step"] == 2 * (best + 1) and 7 < made["steps"] == 2 * len(figures) < 24
    same = evaluated(tmp_path / "short" / "m", evaluation(), **over, max_steps=made["best_step"])
    assert made["weights"]["digest"] == same["weights"]["digest"]
    for step in (5, 7):
        out = tmp_path / str(step) / "m"
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, step)
            with pytest.raises(Killed):
                evaluated(out, stopping, **over)
        evaluated(out, stopping, **over)
        assert contents(out) == contents(tmp_path / "whole" / "m")
