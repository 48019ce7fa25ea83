"""The backend `vllm` as far as it goes without a GPU: what is refused, what vLLM is handed, what answers are named by.

Nothing stands in for vLLM here. Where it is installed, its own classes take what it is handed.
"""

import copy
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

from molmix.config import documentation, loading, schema
from molmix.config.files import check_files
from molmix.core.errors import MolmixError
from molmix.core.files import read_table, write_json
from molmix.generation import vllm_engine
from molmix.generation.engines import vllm
from molmix.generation.generate import generate
from molmix.generation.transformers_engine import TransformersEngine
from molmix.judges.decompose import decompose
from molmix.models.loading import load
from molmix.models.lora_folding import full_folder
from molmix.models.manifests import write_manifest
from molmix.models.small import make_tokenizer
from molmix.pipeline import model_table

SIZES = {"vocab_size": 300, "bos_token_id": 1, "pad_token_id": 0, "eos_token_id": 2}
SETTINGS = schema.Generation(engine="vllm", max_new_tokens=20).model_dump()
TEXTS = [("CCO", "The molecule is small.")]
TEMPLATES = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}

without_vllm = pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """Manifests: a Llama, an adapter of rank 12 on it, an encoder-decoder."""
    folder, made = tmp_path_factory.mktemp("models"), {}
    tokenizer = make_tokenizer(TEXTS, TEMPLATES, 300)

    def save(name: str, model: Any, kind: str = "initial", parents: tuple[str, ...] = ()) -> None:
        weights = folder / name / ("adapter" if kind == "aligned" else "weights")
        model.save_pretrained(weights)
        tokenizer.save_pretrained(weights)
        made[name] = weights.parent / "manifest.json"
        write_manifest(made[name], {"id": name, "kind": kind, "parents": list(parents)}, weights)

    llama = LlamaConfig(**SIZES, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
    t5 = T5Config(**SIZES, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0)
    save("llama", LlamaForCausalLM(llama))
    adapted = get_peft_model(load(made["llama"])[0], LoraConfig(r=12, target_modules="all-linear"))
    save("llama.dpo", adapted, "aligned", ("llama",))
    save("t5", T5ForConditionalGeneration(t5))
    return made


# ---- the config -----------------------------------------------------------------------------------------------


def study(**generation: Any) -> dict[str, Any]:
    return copy.deepcopy(documentation.DEMO) | {"generation": generation}


def test_what_the_default_engine_is_named_by_is_what_it_was_before_there_was_a_choice() -> None:
    """Caches of answers, jobs and the study itself are named by these."""
    keys = ["max_new_tokens", "batch_tokens", "temperature", "top_p"]
    assert list(schema.Generation().model_dump()) == list(schema.Generation(engine="transformers").model_dump()) == keys
    assert list(SETTINGS) == ["engine", *keys]
    plain, named, other = (
        loading.parse(study(**more)) for more in ({}, {"engine": "transformers"}, {"engine": "vllm"})
    )
    assert plain.digest() == named.digest() != other.digest()
    for value, same in (("hf", plain), ("vllm", other)):  # the old key, and its old value
        assert loading.parse(study(backend=value)).digest() == same.digest()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda c: c["generation"].update(temperature=2.5), ["generation.temperature: 2.5", "at 0.01 to 2"]),
        (lambda c: c["generation"].update(temperature=1e-3), ["generation.temperature: 0.001"]),
        (lambda c: c["generation"].update(engine="vlm"), ["generation.engine", "'vlm'", "'vllm'"]),
    ],
)  # fmt: skip
def test_what_vllm_does_not_take_is_refused_before_a_run(change, expected) -> None:
    content = study(engine="vllm")
    model_table.build(loading.parse(content))
    change(content)
    with pytest.raises(MolmixError) as caught:
        model_table.build(loading.parse(content))
    assert all(part in str(caught.value) for part in expected), caught.value
    if content["generation"]["engine"] == "vllm":
        model_table.build(loading.parse(content | {"generation": content["generation"] | {"engine": "transformers"}}))


@pytest.mark.parametrize("engine", ["transformers", "vllm"])
@pytest.mark.parametrize("key", ["initial.theirs.id", "decomposers.theirs.id"])
def test_an_encoder_decoder_in_a_folder_is_refused_before_a_run(models, key, engine) -> None:
    weights = str(models["t5"].parent / "weights")
    content = study()
    if key.startswith("initial"):
        content["generation"]["engine"] = engine
        content["initial"]["theirs"] = {"kind": "pretrained", "id": weights}
    else:
        content["decomposers"] = {"rules": {"backend": "rules"}, "theirs": {"backend": engine, "id": weights}}
    read = loading.parse(content)
    model_table.build(read)
    if engine == "transformers":
        check_files(read)
        return
    with pytest.raises(MolmixError, match=rf"^{key}: .*encoder-decoder model \(t5\).*\n  Hint: choose transformers"):
        check_files(read)


def test_so_is_one_from_the_hub_that_lies_in_its_cache(tmp_path, monkeypatch) -> None:
    content = study(engine="vllm")
    content["initial"]["theirs"] = {"kind": "pretrained", "id": "lab/t5", "revision": "v1"}
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    check_files(loading.parse(content))  # not fetched yet: nothing is known of it
    repository, commit = tmp_path / "models--lab--t5", "f" * 40
    write_json(repository / "snapshots" / commit / "config.json", {"model_type": "t5", "is_encoder_decoder": True})
    (repository / "refs").mkdir()
    (repository / "refs/v1").write_text(commit)
    with pytest.raises(MolmixError, match=r"^initial\.theirs\.id: .*encoder-decoder model \(t5\)"):
        check_files(loading.parse(content))


# ---- what vLLM is handed --------------------------------------------------------------------------------------


def test_it_loads_full_weights(models) -> None:
    weights = models["llama"].parent / "weights"
    for dtype in ("bfloat16", "float32"):
        assert vllm_engine.engine_arguments(weights, SETTINGS | {"dtype": dtype}) == {
            "model": str(weights),
            "dtype": dtype,
            "load_format": "safetensors",
            "trust_remote_code": False,
            "max_num_batched_tokens": 16384,
            "max_num_seqs": 256,
        }


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_an_adapter_is_folded_as_the_default_engine_folds_it(models, dtype) -> None:
    with full_folder(models["llama"]) as folder:
        assert folder == models["llama"].parent / "weights"
    with full_folder(models["llama.dpo"], dtype) as folder:
        read = LlamaForCausalLM.from_pretrained(folder, dtype=dtype).state_dict()
    assert not folder.exists()
    folded = load(models["llama.dpo"], dtype, "cpu")[0].state_dict()
    assert read.keys() == folded.keys()
    for name, weight in folded.items():
        assert (read[name] == weight).all(), name


def test_an_adapter_without_safetensors_is_refused(models, tmp_path) -> None:
    """Loaders would look for a pickle."""
    (tmp_path / "llama").symlink_to(models["llama"].parent)
    adapter = tmp_path / "llama.sft" / "adapter"
    write_json(adapter / "adapter_config.json", {"r": 4})
    (adapter / "adapter_model.bin").write_bytes(b"")
    manifest = adapter.parent / "manifest.json"
    write_manifest(manifest, {"id": "llama.sft", "kind": "aligned", "parents": ["llama"]}, adapter)
    with pytest.raises(MolmixError, match=r"holds no adapter_model\.safetensors"), full_folder(manifest):
        pass


def test_every_prompt_draws_with_a_seed_of_its_own(models) -> None:
    greedy = vllm_engine.sampling_arguments(SETTINGS, 7, [1, 5], 20, [2])
    assert greedy["temperature"] == 0 and greedy["max_tokens"] == 20
    assert (greedy["stop_token_ids"], greedy["ignore_eos"], greedy["detokenize"]) == ([2], True, False)
    drawn = SETTINGS | {"temperature": 0.7, "top_p": 0.9}
    one = vllm_engine.sampling_arguments(drawn, 7, [1, 5], 20, [2])
    assert (one["temperature"], one["top_p"]) == (0.7, 0.9)
    assert one == vllm_engine.sampling_arguments(drawn, 7, [1, 5], 20, [2])
    seeds = {
        vllm_engine.sampling_arguments(drawn, seed, ids, 20, [2])["seed"] for seed in (7, 8) for ids in ([1, 5], [1, 6])
    }
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("own", [[2, 7], 7, "config.json", "tokenizer"])
def test_answers_end_where_transformers_ends_them(models, tmp_path, own) -> None:
    model: Any = LlamaForCausalLM.from_pretrained(models["llama"].parent / "weights")
    if own == "tokenizer":
        model.config.eos_token_id = model.generation_config.eos_token_id = None
    elif own != "config.json":
        model.generation_config.eos_token_id = own
    weights, manifest = tmp_path / "weights", tmp_path / "manifest.json"
    model.save_pretrained(weights)
    if own == "config.json":
        (weights / "generation_config.json").unlink()
    make_tokenizer(TEXTS, TEMPLATES, 300).save_pretrained(weights)
    write_manifest(manifest, {"id": "own", "kind": "initial", "parents": []}, weights)
    theirs = TransformersEngine.load(manifest, SETTINGS, 7)
    assert vllm_engine.read_ends(weights, theirs.tokenizer) == theirs.ends


def test_a_killed_job_goes_on_with_the_chunk_that_it_was_at(models, tmp_path, monkeypatch) -> None:
    """In vLLM's chunks, by a model that transformers runs: the cache knows no engine."""
    monkeypatch.setattr(vllm_engine, "CHUNK", 3)
    monkeypatch.setattr(TransformersEngine, "batches", vllm_engine.VllmEngine.batches)
    chunks, answers = [], TransformersEngine.answers
    prompts = [f"Molecule: {'C' * length}\nCaption:" for length in range(1, 9)]

    def write(cache: str, dies: int | None = None) -> Any:
        def one(self: TransformersEngine, chunk: list[str]) -> list[dict[str, Any]]:
            if len(chunks) == dies:
                raise KeyboardInterrupt
            chunks.append(chunk)
            return answers(self, chunk)

        chunks.clear()
        monkeypatch.setattr(TransformersEngine, "answers", one)
        settings = schema.Generation(max_new_tokens=8).model_dump()
        where = {"outs": {"test": tmp_path / f"{cache}.parquet"}, "cache": tmp_path / cache}
        generate(manifest=models["llama"], prompts={"test": (prompts, prompts)}, settings=settings, seed=7, **where)
        return read_table(where["outs"]["test"]).to_pylist()

    whole = write("whole")
    assert chunks == [sorted(prompts)[:3], sorted(prompts)[3:6], sorted(prompts)[6:]]
    with pytest.raises(KeyboardInterrupt):
        write("killed", dies=1)
    assert write("killed") == whole and chunks == [sorted(prompts)[3:6], sorted(prompts)[6:]]


def test_chunks_hold_every_prompt_once_and_in_order(monkeypatch) -> None:
    monkeypatch.setattr(vllm_engine, "CHUNK", 4)
    prompts = [f"prompt {number}" for number in range(10)]
    chunks = list(vllm_engine.VllmEngine.__new__(vllm_engine.VllmEngine).batches(prompts))
    assert [len(chunk) for chunk in chunks] == [4, 4, 2] and [*chain(*chunks)] == prompts


def test_its_own_classes_take_what_they_are_handed(models) -> None:
    """Where it is installed: no argument is unknown to it, and no value refused."""
    pytest.importorskip("vllm")
    import dataclasses

    from vllm import SamplingParams, envs
    from vllm.engine.arg_utils import EngineArgs

    weights = models["llama"].parent / "weights"
    known = {field.name for field in dataclasses.fields(EngineArgs)}
    assert vllm_engine.engine_arguments(weights, SETTINGS).keys() <= known
    for temperature in (0.0, *vllm.TEMPERATURES):
        asked = vllm_engine.sampling_arguments(SETTINGS | {"temperature": temperature}, 7, [1, 5], 20, [2])
        params = SamplingParams(**asked)
        assert {key: getattr(params, key) for key in asked} == asked
    assert vllm_engine.ENVIRONMENT.keys() <= envs.environment_variables.keys()


# ---- where it cannot run --------------------------------------------------------------------------------------


@without_vllm
def test_without_vllm_one_message_says_where_it_is_to_be_had(models, tmp_path) -> None:
    expected = r"^engine: 'vllm' is asked for, and vllm is not installed here\n  Hint: .*envs/vllm\.yaml"
    with pytest.raises(MolmixError, match=expected):
        generate(
            manifest=models["llama"],
            prompts={"test": (["a"], ["Molecule: CCO\nCaption:"])},
            outs={"test": tmp_path / "test.parquet"},
            settings=SETTINGS,
            seed=7,
            cache=tmp_path,
        )
    asked = {"backend": "vllm", "id": str(models["llama"].parent / "weights")}
    settings = loading.parse(study() | {"decomposers": {"local": asked}}).decomposers["local"].model_dump()
    with pytest.raises(MolmixError, match=expected):
        decompose(["The molecule is a dye."], settings, cache=tmp_path)
    assert not list(tmp_path.rglob("*"))


@without_gpu
def test_without_a_gpu_one_message_says_so(models) -> None:
    for name in ("llama", "llama.dpo"):
        with pytest.raises(MolmixError, match=r"^engine: 'vllm' needs a CUDA GPU.*\n  Hint: .*choose transformers"):
            vllm_engine.VllmEngine(models[name], SETTINGS, 7)


def test_an_encoder_decoder_from_the_hub_is_refused_when_it_is_loaded(models) -> None:
    with pytest.raises(MolmixError, match=r"manifest\.json: .*encoder-decoder model \(t5\), and vLLM runs none"):
        vllm_engine.VllmEngine(models["t5"], SETTINGS, 7)
