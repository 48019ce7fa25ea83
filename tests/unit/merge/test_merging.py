"""Merges of tiny Llamas, held against formulas written out in numpy and against PEFT's own outputs."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter, ValidationError
from safetensors.numpy import load_file, save_file

from molmix.core.errors import MolmixError
from molmix.core.files import read_json, write_json
from molmix.merge.mergekit_methods import SHIPPED, describe_methods
from molmix.merge.merging import keep_largest, merge
from molmix.merge.settings import METHODS, MergeMethod
from molmix.models.loading import load
from molmix.models.manifests import write_manifest

Weights = dict[str, np.ndarray]
WORDS = ["<pad>", "<s>", "</s>", "<unk>", "carbon", "oxygen", "ring", "acid", "molecule", "holds", "a", "the"]
SPECIAL = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SHAPE = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "slerp": {"method": "slerp", "t": 0.3},
    "linear": {"method": "linear", "weights": [1.0, 3.0]},
    "ties": {"method": "ties"},
    "ties-mean": {"method": "ties", "density": 0.6, "weights": [0.2, 0.7], "normalize": True, "lambda": 1.3},
}


# ---- tiny models ----------------------------------------------------------------------------------------------


def tokenizer(words: list[str] = WORDS, special: dict[str, str] = SPECIAL) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, **special)


def full(models: Path, name: str, seed: int, dtype: str = "float32", **changes: Any) -> Path:
    """An initial model with seeded random weights; gives its manifest."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    llama = LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), **SHAPE | special | changes))
    for weight in llama.parameters():  # norms too, which begin as ones
        weight.data += 0.05 * torch.randn_like(weight)
    weights = models / name / "weights"
    # A kilobyte a shard cuts the bigger ones into many files, as 7B models are.
    llama.to(getattr(torch, dtype)).save_pretrained(weights, max_shard_size="1KB" if dtype == "bfloat16" else "1GB")
    tokenizer().save_pretrained(weights)
    facts = {"id": name, "kind": "initial", "method": "made", "parents": [], "license": "apache-2.0"}
    write_manifest(models / name / "manifest.json", facts, weights)
    return models / name / "manifest.json"


def aligned(start: Path, method: str, seed: int, **changes: Any) -> Path:
    """An adapter with seeded random weights over a start; gives its manifest."""
    import torch
    from peft import LoraConfig, get_peft_model

    model, _ = load(start, torch.float32, "cpu")
    config = LoraConfig(r=4, lora_alpha=6, target_modules="all-linear", task_type="CAUSAL_LM", **changes)
    model = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data += 0.05 * torch.randn_like(weight)
    folder = start.parent.parent / f"{start.parent.name}.{method}"
    model.save_pretrained(folder / "adapter")
    facts = {"id": folder.name, "kind": "aligned", "method": method, "parents": [start.parent.name]}
    write_manifest(folder / "manifest.json", facts, folder / "adapter")
    return folder / "manifest.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A start with a LoRA and two DoRA siblings, and unrelated models, one of them in shards of bfloat16.

    The folder's name holds what mergekit splits paths at.
    """
    folder = tmp_path_factory.mktemp("run") / "L+M@24" / "models"
    start = full(folder, "start", seed=1)
    aligned(start, "sft", seed=2)
    aligned(start, "dpo", seed=3, use_dora=True)
    aligned(start, "cpo", seed=4, use_dora=True, use_rslora=True)
    for seed, name in enumerate(("captioner", "reverser"), start=4):
        full(folder, name, seed)
        full(folder, name + "-half", seed, "bfloat16", tie_word_embeddings=True)
    half = full(folder, "start-half", 1, "bfloat16", tie_word_embeddings=True)
    aligned(half, "sft", seed=2)
    aligned(half, "dpo", seed=3)
    return folder


@pytest.fixture
def make(models: Path, tmp_path: Path) -> Callable[..., Path]:
    """Merge models by id; gives the merge's folder."""

    def run(settings: dict[str, Any], *names: str, out: str = "merged", **kept: str) -> Path:
        *parents, base = names
        method = TypeAdapter(MergeMethod).validate_python(settings)
        assert method.takes(parents, base)
        merge(
            model_id="some.merge",
            parents=[models / parent / "manifest.json" for parent in parents],
            base=models / base / "manifest.json",
            out=tmp_path / out,
            work=tmp_path / "work",
            settings=method.for_parents(parents, "key").model_dump(by_alias=True) | kept,
            seed=7,
        )
        assert not (tmp_path / "work").exists()
        return tmp_path / out

    return run


@pytest.fixture
def spoilt(models: Path) -> Any:
    """A copy of `captioner` for a test to spoil."""
    folder = models / "spoilt"
    shutil.copytree(models / "captioner", folder)
    write_json(folder / "manifest.json", read_json(folder / "manifest.json") | {"id": "spoilt"})
    yield folder
    shutil.rmtree(folder)


# ---- what mergekit should do, once more -----------------------------------------------------------------------


@cache
def read(manifest: Path) -> Weights:
    """Full weights in float32; an adapter is folded by PEFT."""
    import torch
    from peft import PeftModel

    facts = read_json(manifest)
    if facts["kind"] == "aligned":
        start, _ = load(manifest.parent.parent / facts["parents"][0] / "manifest.json", torch.float32, "cpu")
        model = PeftModel.from_pretrained(start, manifest.parent / "adapter").merge_and_unload(safe_merge=True)
    else:
        model, _ = load(manifest, torch.float32, "cpu")
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        del weights["lm_head.weight"]
    return weights


def slerp(p: np.ndarray, q: np.ndarray, base: np.ndarray, t: float) -> np.ndarray:
    cosine = np.vdot(p, q) / (np.linalg.norm(p) * np.linalg.norm(q))
    if abs(cosine) > 0.9995:
        return (1 - t) * p + t * q
    angle = np.arccos(cosine)
    return (np.sin((1 - t) * angle) * p + np.sin(t * angle) * q) / np.sin(angle)


def linear(p: np.ndarray, q: np.ndarray, base: np.ndarray, weights: list[float]) -> np.ndarray:
    return (weights[0] * p + weights[1] * q) / sum(weights)


def trim(task: np.ndarray, density: float) -> np.ndarray:
    kept = np.zeros(task.size)
    order = np.argsort(-np.abs(task.ravel()))[: max(1, int(density * task.size))]
    kept[order] = task.ravel()[order]
    return kept.reshape(task.shape)


def ties(p: np.ndarray, q: np.ndarray, base: np.ndarray, **settings: Any) -> np.ndarray:
    weights = np.array(settings.get("weights", [0.5, 0.5])).reshape(2, *[1] * base.ndim)
    tasks = np.stack([trim(parent - base, settings.get("density", 0.2)) for parent in (p, q)])
    elected = np.where((weights * tasks).sum(0) >= 0, 1, -1)
    agree = np.sign(tasks) == elected
    merged = (weights * tasks * agree).sum(0)
    if settings.get("normalize", False):
        total = (weights * agree).sum(0)
        merged /= np.where(total == 0, 1, total)
    return base + settings.get("lambda", 1.0) * merged


FORMULAS = {"slerp": slerp, "linear": linear, "ties": ties}


def expected(settings: dict[str, Any], first: Weights, second: Weights, base: Weights) -> Weights:
    plain = {key: value for key, value in settings.items() if key != "method"}
    formula = FORMULAS[settings["method"]]
    return {name: formula(*(w[name].astype(np.float64) for w in (first, second, base)), **plain) for name in first}


def cosine(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.vdot(p, q) / (np.linalg.norm(p) * np.linalg.norm(q)))


def joined(weights: Weights) -> np.ndarray:
    return np.concatenate([weights[name].ravel() for name in sorted(weights)])


# ---- tests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("names", [("start.sft", "start.dpo", "start"), ("captioner", "reverser", "start")])
def test_merges_are_what_their_formulas_say(
    make: Callable[..., Path], models: Path, name: str, names: tuple[str, str, str]
) -> None:
    inputs = [read(models / model / "manifest.json") for model in names]
    merged = load_file(make(SETTINGS[name], *names) / "weights" / "model.safetensors")
    wanted = expected(SETTINGS[name], *inputs)
    assert merged.keys() == wanted.keys()
    for tensor, values in wanted.items():
        np.testing.assert_allclose(merged[tensor], values, atol=2e-6, err_msg=tensor)


def test_the_manifest_says_how_it_went(make: Callable[..., Path], models: Path) -> None:
    names = ["start.sft", "start.dpo", "start"]
    out = make(SETTINGS["slerp"], *names)
    facts = read_json(out / "manifest.json")
    first, second, base = inputs = [read(models / model / "manifest.json") for model in names]
    merged = joined(load_file(out / "weights" / "model.safetensors"))
    assert facts["kind"] == "merged" and facts["parents"] == names[:2] and facts["base"] == "start"
    assert facts["dtype"] == "float32" and facts["parameters"] == merged.size
    assert facts["inputs"] == {
        name: read_json(models / name / "manifest.json")["weights"]["digest"]
        for name in (*names[:1], "start", names[1])
    }
    validation = facts["validation"]
    for name, weights in zip(names, inputs, strict=True):
        far = np.linalg.norm(merged - joined(weights)) / np.linalg.norm(joined(weights))
        assert validation["distance"][name] == pytest.approx(far, rel=1e-3)
    near = [abs(cosine(first[name], second[name])) > 0.9995 for name in first]
    assert 0 < np.mean(near) < 1, "the models should try both branches of SLERP"
    assert validation["lerp_share"] == pytest.approx(np.mean(near), abs=1e-4)
    tasks = cosine(joined(first) - joined(base), joined(second) - joined(base))
    assert validation["task_vector_cosine"] == pytest.approx(tasks, rel=1e-3)


def test_a_merge_loads_and_writes_with_its_tokenizer(make: Callable[..., Path], models: Path) -> None:
    out = make(SETTINGS["slerp"], "start.sft", "start.dpo", "start")
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"):
        assert (out / "weights" / name).read_text() == (models / "start" / "weights" / name).read_text()
    model, words = load(out / "manifest.json", device="cpu")
    ids = words("the molecule holds a", return_tensors="pt")["input_ids"]
    assert model.generate(ids, max_new_tokens=4, do_sample=False).shape[1] > ids.shape[1]
    recipe = yaml.safe_load((out / "mergekit.yaml").read_text())
    assert recipe["merge_method"] == "slerp" and recipe["models"][1] == {"model": "start.dpo"}
    text = (out / "README.md").read_text()
    assert "start.dpo" in text and read_json(models / "start" / "manifest.json")["weights"]["digest"] in text
    assert "license: other" in text  # the adapters state none
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "manifest.json", "mergekit.yaml", "weights"]


@pytest.mark.parametrize("method", ["sft", "dpo", "cpo"])
def test_folded_adapters_answer_as_peft_does(models: Path, method: str) -> None:
    import torch
    from transformers import LlamaForCausalLM

    from molmix.merge.inputs import read_inputs

    manifest = models / f"start.{method}" / "manifest.json"
    (folded,) = (model.weights for model in read_inputs([manifest]))
    model = LlamaForCausalLM.from_pretrained(models / "start" / "weights", dtype=torch.float32)
    model.load_state_dict({name: folded.tensor(name) for name in folded.shapes})
    ids = torch.arange(len(WORDS))[None]
    with torch.no_grad():
        ours = model(ids).logits
        theirs = load(manifest, torch.float32, "cpu")[0](ids).logits
        start = load(models / "start" / "manifest.json", torch.float32, "cpu")[0](ids).logits
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert (theirs - start).abs().max() > 0.01


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("names", [("captioner-half", "reverser-half"), ("start-half.sft", "start-half.dpo")])
def test_halves_in_shards_merge_in_float32_and_stay_tied(
    make: Callable[..., Path], models: Path, names: tuple[str, ...], dtype: str
) -> None:
    import torch
    from safetensors.torch import load_file as load_torch

    names = (*names, "start-half")
    assert (models / "start-half" / "weights" / "model.safetensors.index.json").exists()
    out = make(SETTINGS["slerp"], *names, **({} if dtype == "float32" else {"dtype": dtype}))
    wanted = expected(SETTINGS["slerp"], *(read(models / model / "manifest.json") for model in names))
    merged = load_torch(out / "weights" / "model.safetensors")
    assert merged.keys() == wanted.keys() and "lm_head.weight" not in merged
    for name, values in wanted.items():
        assert merged[name].dtype == getattr(torch, dtype)
        torch.testing.assert_close(
            merged[name].double(), torch.tensor(values), rtol=2**-8 if dtype == "bfloat16" else 1e-5, atol=2e-6
        )
        # Only the result was rounded, and nothing before it.
        assert (merged[name].bfloat16() == torch.tensor(values).bfloat16()).double().mean() > 0.98
    config = read_json(out / "weights" / "config.json")
    assert config["dtype"] == read_json(out / "manifest.json")["dtype"] == dtype and config["tie_word_embeddings"]
    assert read_json(out / "manifest.json")["validation"]["lerp_share"] < 1


def test_a_merge_can_be_a_parent_and_makes_the_same_bytes_again(make: Callable[..., Path], models: Path) -> None:
    bytes_of = []
    for _ in range(2):
        first = make(SETTINGS["ties-mean"], "start.sft", "start.dpo", "start")
        shutil.copytree(first, models / "some.merge")
        out = make(SETTINGS["linear"], "some.merge", "start.sft", "start", out="again")
        names = ("some.merge", "start.sft", "start")
        wanted = expected(SETTINGS["linear"], *(read(models / name / "manifest.json") for name in names))
        # By now mergekit has met other models in the same places.
        merged = load_file(out / "weights" / "model.safetensors")
        assert max(np.abs(merged[name] - wanted[name]).max() for name in wanted) < 2e-6
        shutil.rmtree(models / "some.merge")
        bytes_of.append({str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert bytes_of[0] == bytes_of[1] and len(bytes_of[0]) > 6


def test_twins_merge_into_themselves(make: Callable[..., Path], models: Path, spoilt: Path) -> None:
    out = make(SETTINGS["slerp"], "captioner", "spoilt", "captioner")
    validation = read_json(out / "manifest.json")["validation"]
    assert max(validation["distance"].values()) < 1e-7
    assert validation["lerp_share"] == 1 and validation["task_vector_cosine"] is None


# ---- any number of models, any method of mergekit -------------------------------------------------------------

THREE = ("start.sft", "start.dpo", "start.cpo", "start")
# Methods with settings, and the models that they merge; the base is the last one.
OTHERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "linear": ({"weights": [0.2, 0.5, 0.3]}, THREE),
    "linear with the start": ({"weights": [0.4, 0.6]}, ("start", "start.sft", "start")),
    "slerp": ({"t": [0.1, 0.9]}, ("start.sft", "start.dpo", "start")),
    "ties": ({"density": [{"filter": "mlp", "value": [0.2, 0.9]}, {"value": 0.5}]}, THREE),
    "task_arithmetic": ({"weights": [0.3, -0.2, [0.1, 0.9]], "lambda": 0.8}, THREE),
    "dare_ties": ({"density": 0.4}, THREE),
    "dare_linear": ({"weights": [0.5, 0.2, 0.3], "density": 0.7}, THREE),
    "breadcrumbs": ({"density": 0.9, "gamma": 0.05}, THREE),
    "breadcrumbs_ties": ({"density": 0.8}, THREE),
    "della": ({"density": 0.5, "epsilon": 0.1}, THREE),
    "della_linear": ({"density": 0.6}, THREE),
    "model_stock": ({}, THREE),
    "model_stock of two": ({"filter_wise": True}, ("start.sft", "start.dpo", "start")),
    "sce": ({"select_topk": 0.3}, THREE),
    "ram": ({}, THREE),
    "ramplus_tl": ({"r": 0.2}, THREE),
    "karcher": ({"max_iter": 20}, THREE),
    "multislerp": ({"weights": [0.2, 0.3, 0.5]}, THREE),
    "multislerp of task vectors": ({"task_vectors": True}, ("captioner", "reverser", "start")),
    "nuslerp of task vectors": ({"task_vectors": True}, ("captioner", "reverser", "start")),
    "nuslerp": ({"weights": [0.3, 0.7]}, ("start.sft", "start.dpo", "start")),
    "nearswap": ({"t": 0.01}, ("captioner", "reverser", "start")),
    "arcee_fusion": ({}, ("captioner", "reverser", "start")),
}


def method_of(name: str) -> str:
    return name.split(maxsplit=1)[0]


@pytest.fixture(scope="module")
def plain(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folders of full weights in which PEFT folded the adapters, for mergekit itself."""
    folder = tmp_path_factory.mktemp("plain")

    def saved(name: str) -> Path:
        if not (out := folder / name.replace(".", "-")).exists():
            shutil.copytree(models / name.split(".", maxsplit=1)[0] / "weights", out)
            save_file(read(models / name / "manifest.json"), out / "model.safetensors", metadata={"format": "pt"})
        return out

    return saved


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_every_method_gives_what_mergekit_gives(
    make: Callable[..., Path], plain: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    import torch
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    settings, names = OTHERS[name]
    *parents, base = names
    merged = load_file(make({"method": method_of(name)} | settings, *names) / "weights" / "model.safetensors")
    spec = json.loads(SHIPPED.read_text())["methods"][method_of(name)]
    equal = [1 / len(parents)] * len(parents)
    weights = settings.get("weights", equal) if "weight" in spec["parameters"] else None
    recipe: dict[str, Any] = {"merge_method": method_of(name), "dtype": "float32"}
    recipe["models"] = [{"model": str(plain(parent))} for parent in parents]
    for number, weight in enumerate(weights or ()):
        recipe["models"][number]["parameters"] = {"weight": weight}
    if spec["base"] == "required" or settings.get("task_vectors"):
        recipe["base_model"] = str(plain(parents[0] if spec["models"][1] == 2 else base))
    own = {key: value for key, value in settings.items() if key not in ("weights", "task_vectors")}
    defaults = {"ties": {"normalize": False}, "linear": {"normalize": True}}.get(method_of(name), {})
    recipe["parameters"] = defaults | own
    torch.manual_seed(7)
    options = MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True)
    run_merge(MergeConfiguration.model_validate(recipe), str(tmp_path / "theirs"), options)
    wanted = load_file(tmp_path / "theirs" / "model.safetensors")
    assert merged.keys() == wanted.keys()
    for tensor, values in wanted.items():
        np.testing.assert_allclose(merged[tensor], values, atol=2e-6, err_msg=tensor)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_largest_values_are_those_of_a_sort(dtype: str) -> None:
    """Or none are given: which of equal values a sort puts first is not known."""
    import torch

    values = torch.randperm(200, generator=torch.Generator().manual_seed(1)).to(getattr(torch, dtype)).reshape(20, 10)
    for number in (1, 40, 199, 200):
        kept = keep_largest(values, number)
        assert kept is not None and torch.equal(kept, values >= 200 - number)
    assert keep_largest(torch.tensor([[3, 1], [1, 2]]), 3) is None
    assert keep_largest(torch.zeros(5), 4) is None and keep_largest(torch.zeros(5), 5) is not None


def test_every_method_of_mergekit_for_two_models_or_more_is_tested() -> None:
    described = json.loads(SHIPPED.read_text())
    assert described == describe_methods(), "run `python -m molmix.merge.mergekit_methods`"
    assert {method_of(name) for name in OTHERS} == described["methods"].keys() - {"passthrough"} == METHODS.keys()


def stock(p: np.ndarray, q: np.ndarray, r: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Jang et al. 2024: t = k cos / (1 + (k - 1) cos) for k models, with the mean cosine of all pairs."""
    cos = np.mean([cosine(one - base, other - base) for one, other in ((p, q), (p, r), (q, r))])
    share = 3 * cos / (1 + 2 * cos)
    return share * (p + q + r) / 3 + (1 - share) * base


THREE_WAY: dict[str, tuple[dict[str, Any], Callable[..., np.ndarray]]] = {
    "linear": ({"method": "linear"}, lambda p, q, r, b: (p + q + r) / 3),
    "task arithmetic": (
        {"method": "task_arithmetic", "weights": [0.5, -0.3, 1.0], "lambda": 0.5},
        lambda p, q, r, b: b + 0.5 * (0.5 * (p - b) - 0.3 * (q - b) + (r - b)),
    ),
    "dare that drops nothing": (
        {"method": "dare_linear", "weights": [0.5, 0.3, 0.4]},
        lambda p, q, r, b: b + 0.5 * (p - b) + 0.3 * (q - b) + 0.4 * (r - b),
    ),
    "model stock": ({"method": "model_stock"}, stock),
}


@pytest.mark.parametrize("name", THREE_WAY)
def test_merges_of_three_are_what_their_formulas_say(make: Callable[..., Path], models: Path, name: str) -> None:
    method, formula = THREE_WAY[name]
    merged = load_file(make(method, *THREE) / "weights" / "model.safetensors")
    inputs = [read(models / name / "manifest.json") for name in THREE]
    for tensor, values in merged.items():
        if name == "model stock" and all((weights[tensor] == inputs[-1][tensor]).all() for weights in inputs):
            continue  # the adapters leave it as it is, and the cosine is not defined
        wanted = formula(*(weights[tensor].astype(np.float64) for weights in inputs))
        np.testing.assert_allclose(values, wanted, atol=2e-6, err_msg=tensor)


def test_the_manifest_of_a_merge_of_three(make: Callable[..., Path], models: Path) -> None:
    out, again = (make({"method": "dare_ties", "density": 0.5}, *THREE, out=name) for name in ("out", "again"))
    assert (out / "weights/model.safetensors").read_bytes() == (again / "weights/model.safetensors").read_bytes()
    facts = read_json(out / "manifest.json")
    *parents, base = (joined(read(models / name / "manifest.json")) for name in THREE)
    merged = joined(load_file(out / "weights" / "model.safetensors"))
    assert facts["parents"] == list(THREE[:3]) and facts["seed"] == 7
    assert facts["settings"]["weights"] == [1 / 3] * 3
    for name, weights in zip(THREE, (*parents, base), strict=True):
        far = np.linalg.norm(merged - weights) / np.linalg.norm(weights)
        assert facts["validation"]["distance"][name] == pytest.approx(far, rel=1e-3)
    pairs = ((0, 1), (0, 2), (1, 2))
    tasks = [parent - base for parent in parents]
    mean = np.mean([cosine(tasks[one], tasks[other]) for one, other in pairs])
    assert facts["validation"]["task_vector_cosine"] == pytest.approx(mean, rel=1e-3)
    inputs = [read(models / name / "manifest.json") for name in THREE[:3]]
    near = [all(cosine(inputs[one][name], inputs[other][name]) > 0.9995 for one, other in pairs) for name in inputs[0]]
    assert facts["validation"]["lerp_share"] == pytest.approx(np.mean(near), abs=1e-4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "slerp", "t": [{"filter": "mlp", "value": 0.5}]}, "ends with {value: number}"),
        ({"method": "slerp", "t": [0.5, 1.5]}, "a number of at least 0 and at most 1, a list"),
        ({"method": "slerp", "t": []}, "a list of numbers from the first layer to the last"),
        ({"method": "dare_ties", "density": "half"}, "a number of at least 0 and at most 1"),
        ({"method": "della", "densty": 0.5}, "Extra inputs are not permitted"),
        ({"method": "nearswap"}, "Field required"),
        ({"method": "passthrough"}, "does not match any of the expected tags"),
        ({"method": "ties", "weights": [1, "a"]}, "give a number, a list of numbers"),
    ],
)
def test_parameters_that_mergekit_would_not_take_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(MergeMethod).validate_python(settings)


@pytest.mark.parametrize("method", ["linear", "ties", "dare_linear"])
def test_weights_of_the_wrong_number_are_refused(method: str) -> None:
    made = TypeAdapter(MergeMethod).validate_python({"method": method, "weights": [0.5, 0.5]})
    with pytest.raises(MolmixError, match=r"key\.weights: 2 weights for a merge of 3 models \(a, b, c\)"):
        made.for_parents(["a", "b", "c"], "key")


@pytest.mark.parametrize(
    ("method", "taken"),
    [
        ("slerp", [False, True, True, False]),
        ("linear", [False, True, True, True]),
        ("task_arithmetic", [True, True, True, True]),
        ("nuslerp", [False, True, True, False]),
        ("arcee_fusion", [False, True, True, False]),
        ("model_stock", [False, False, True, True]),
    ],
)
def test_a_method_takes_the_number_of_models_that_mergekit_takes(method: str, taken: list[bool]) -> None:
    made = TypeAdapter(MergeMethod).validate_python({"method": method})
    sets = (["a"], ["start", "a"], ["a", "b"], ["a", "b", "c"])
    assert [made.takes(parents, "start") for parents in sets] == taken


# ---- precision: small updates of a start in bfloat16 ----------------------------------------------------------


@pytest.fixture(scope="module")
def small(models: Path) -> Path:
    """Adapters on a start in bfloat16, whose updates are smaller than its distances between neighbouring numbers."""
    for name, seed in (("sft", 2), ("dpo", 3)):
        manifest = aligned(models / "start-half" / "manifest.json", f"small-{name}", seed)
        adapter = manifest.parent / "adapter" / "adapter_model.safetensors"
        factors = {name: 0.03 * value for name, value in load_file(adapter).items()}
        save_file(factors, adapter, metadata={"format": "pt"})
        write_manifest(manifest, read_json(manifest), manifest.parent / "adapter")
    twin = shutil.copytree(models / "start-half.small-sft", models / "start-half.small-twin") / "manifest.json"
    write_manifest(twin, read_json(twin) | {"id": twin.parent.name}, twin.parent / "adapter")
    return models


def logits(manifest: Path, dtype: str = "float32") -> Any:
    import torch

    with torch.no_grad():
        return load(manifest, getattr(torch, dtype), "cpu")[0](torch.arange(len(WORDS))[None]).logits.float()


@pytest.mark.parametrize("name", ["slerp", "linear"])
def test_a_merge_of_an_adapter_with_itself_answers_like_the_adapter(
    make: Callable[..., Path], small: Path, name: str
) -> None:
    out = make(SETTINGS[name], "start-half.small-sft", "start-half.small-twin", "start-half")
    adapter, start = (small / model / "manifest.json" for model in ("start-half.small-sft", "start-half"))
    learned = (logits(adapter) - logits(start)).norm()
    assert (logits(out / "manifest.json") - logits(adapter)).norm() < 1e-3 * learned
    # A model in bfloat16 is rounded once, from the same numbers in float32.
    assert (logits(out / "manifest.json", "bfloat16") == logits(adapter, "bfloat16")).all()


def test_merges_of_small_updates_differ_from_one_another_and_from_the_start(
    make: Callable[..., Path], small: Path
) -> None:
    names = ("start-half.small-sft", "start-half.small-dpo", "start-half")
    found = [logits(small / "start-half" / "manifest.json")]
    found += [logits(make(SETTINGS[name], *names, out=name) / "manifest.json") for name in SETTINGS]
    for number, one in enumerate(found):
        for other in found[:number]:
            assert (one - other).norm() > 1e-5 * one.norm()


def test_what_a_cast_erases_is_measured_and_warned_of(
    make: Callable[..., Path], small: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    names = ("start-half.small-sft", "start-half.small-dpo", "start-half")
    kept = read_json(make(SETTINGS["linear"], *names, out="kept") / "manifest.json")
    assert not caplog.records
    cut = read_json(make(SETTINGS["linear"], *names, out="cut", dtype="bfloat16") / "manifest.json")
    first, second, base = (joined(read(small / name / "manifest.json")) for name in names)
    task = (first + 3 * second) / 4 - base
    cast = torch.tensor(base + task).bfloat16().double().numpy() - base
    share = 1 - np.vdot(cast, task) / np.vdot(task, task)
    assert share > 0.5, "the updates should be small"
    assert kept["erased"]["bfloat16"] == cut["erased"]["bfloat16"] == pytest.approx(share, abs=1e-3)
    assert f"some.merge: the cast to bfloat16 erases {share:.0%}" in caplog.text
    assert "merge.dtype: float32" in caplog.text
    large = read_json(make(SETTINGS["linear"], "captioner-half", "reverser-half", "start-half") / "manifest.json")
    assert large["erased"]["bfloat16"] < 0.01


# ---- validation errors ----------------------------------------------------------------------------------------


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def spoil_tensor(folder: Path, change: Callable[[Weights], Any], below: str = "weights") -> None:
    path = folder / below / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def with_nan(weights: Weights) -> None:
    weights["model.norm.weight"][3] = np.nan


def narrower(weights: Weights) -> None:
    weights["model.layers.1.mlp.up_proj.weight"] = weights["model.layers.1.mlp.up_proj.weight"][:-1]


def quantised(weights: Weights) -> None:
    for name in weights:
        weights[name] = weights[name].astype(np.uint8)


def vouch(folder: Path) -> None:
    """Have the manifest speak of the weights as they are now: unsound ones, not damaged ones."""
    if (folder / "weights").exists():
        write_manifest(folder / "manifest.json", read_json(folder / "manifest.json"), folder / "weights")


SPOILERS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "heads": (
        lambda f: edit(f / "weights/config.json", num_attention_heads=2),
        r"o_proj\.weight as \[32, 32\], and config\.json describes \[32, 16\]",
    ),
    "rope": (
        lambda f: edit(f / "weights/config.json", rope_parameters={"rope_theta": 5.0, "rope_type": "default"}),
        "rope_parameters is",
    ),
    "norm": (lambda f: edit(f / "weights/config.json", rms_norm_eps=0.01), "rms_norm_eps is 0.01, but 1e-06"),
    "window": (lambda f: edit(f / "weights/config.json", sliding_window=4), "sliding_window is 4, but absent"),
    "activation": (lambda f: edit(f / "weights/config.json", hidden_act="gelu"), "hidden_act is gelu, but silu"),
    "shape": (lambda f: spoil_tensor(f, narrower), r"up_proj.weight as \[47, 32\], and config.json"),
    "tensor": (lambda f: spoil_tensor(f, lambda w: w.pop("model.norm.weight")), "lacks model.norm.weight"),
    "nan": (lambda f: spoil_tensor(f, with_nan), "spoilt: model.norm.weight holds NaN"),
    "quantised": (lambda f: spoil_tensor(f, quantised), "no weights of a plain float type"),
    "words": (
        lambda f: tokenizer([*WORDS[:4], "oxygen", "carbon", *WORDS[6:]]).save_pretrained(f / "weights"),
        "id of token 'carbon' is 5, but 4",
    ),
    "special": (
        lambda f: tokenizer(special=SPECIAL | {"eos_token": "acid"}).save_pretrained(f / "weights"),
        "eos_token is acid, but </s>",
    ),
    "gone": (lambda f: shutil.rmtree(f / "weights"), "the weights of this model are gone"),
    "missing": (lambda f: (f / "weights/model.safetensors").unlink(), "holds no model.safetensors"),
    "cut": (lambda f: (f / "weights/model.safetensors").write_bytes(b"\x10" * 20), "cannot be read as safetensors"),
    "index": (
        lambda f: (f / "weights/model.safetensors.index.json").write_text('{"weight_map": {"a": "shard.safetensors"}}'),
        "lacks 1 of 1 shards, shard.safetensors",
    ),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_unsound_inputs_are_refused_and_leave_nothing(
    make: Callable[..., Path], spoilt: Path, tmp_path: Path, name: str
) -> None:
    spoil, message = SPOILERS[name]
    spoil(spoilt)
    vouch(spoilt)
    for number in range(2) if name == "nan" else range(1):
        models = ["spoilt", "reverser"] if number else ["captioner", "spoilt"]
        with pytest.raises(MolmixError, match=message) as error:
            make(SETTINGS["linear"], *models, "start")
        assert "Hint: " in str(error.value)
        if name == "nan":
            assert "spoilt/manifest.json` to your snakemake command" in str(error.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "work").exists()


def stopped(out: str) -> None:
    raise RuntimeError("Tensor a.b required but not present")


def unfinished(out: str) -> None:
    spoil_tensor(Path(out), lambda weights: weights.pop("model.norm.weight"), below="")


def overflown(out: str) -> None:
    spoil_tensor(Path(out), with_nan, below="")


@pytest.mark.parametrize(
    ("accident", "message"),
    [
        (stopped, "start.sft, start.dpo, start: mergekit cannot merge these models"),
        (unfinished, "the merge should hold model.norm.weight"),
        (overflown, "the merge's model.norm.weight holds NaN"),
    ],
)
def test_an_unsound_result_is_refused_and_leaves_nothing(
    make: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    accident: Callable[[str], None],
    message: str,
) -> None:
    import mergekit.merge

    run = mergekit.merge.run_merge

    def run_merge(config: Any, out: str, options: Any) -> None:
        run(config, out, options)
        accident(out)

    monkeypatch.setattr(mergekit.merge, "run_merge", run_merge)
    with pytest.raises(MolmixError, match=message):
        make(SETTINGS["ties"], "start.sft", "start.dpo", "start")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not (tmp_path / "work").exists()


def test_config_values_without_effect_are_no_difference(make: Callable[..., Path], spoilt: Path) -> None:
    edit(spoilt / "weights/config.json", use_cache=False, attention_dropout=0.1, initializer_range=0.5, eos_token_id=3)
    vouch(spoilt)
    assert make(SETTINGS["linear"], "captioner", "spoilt", "start").exists()


def test_padding_that_only_one_names_is_no_difference(make: Callable[..., Path], spoilt: Path) -> None:
    tokenizer(special={key: value for key, value in SPECIAL.items() if key != "pad_token"}).save_pretrained(
        spoilt / "weights"
    )
    vouch(spoilt)
    assert make(SETTINGS["linear"], "captioner", "spoilt", "start").exists()


@pytest.mark.parametrize(("changes", "message"), [({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern")])
def test_adapters_of_another_kind_are_refused(
    make: Callable[..., Path], models: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    aligned(models / "start" / "manifest.json", "odd", seed=9, **changes)
    with pytest.raises(MolmixError, match=message):
        make(SETTINGS["ties"], "start.sft", "start.odd", "start")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("part", ["lora_B", ""])
def test_an_adapter_that_lacks_parts_is_refused(
    make: Callable[..., Path], models: Path, tmp_path: Path, part: str
) -> None:
    from safetensors.numpy import load_file, save_file

    manifest = aligned(models / "start" / "manifest.json", "torn", seed=9)
    path = manifest.parent / "adapter/adapter_model.safetensors"
    lost = f"layers.1.self_attn.q_proj.{part}"
    save_file({name: own for name, own in load_file(path).items() if lost not in name}, path, {"format": "pt"})
    write_manifest(manifest, read_json(manifest), path.parent)
    with pytest.raises(MolmixError, match=rf"adapter: lacks base_model.*layers\.1\.self_attn\.q_proj\.{part}"):
        make(SETTINGS["linear"], "start.sft", "start.torn", "start")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "slerp", "t": 1.5},
        {"method": "linear", "weights": [1, -1]},
        {"method": "linear", "weights": [1]},
        {"method": "ties", "density": 0},
        {"method": "ties", "lambda": float("nan")},
        {"method": "ties", "trim": 0.2},
        {"method": "average"},
    ],
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MergeMethod).validate_python(settings)
