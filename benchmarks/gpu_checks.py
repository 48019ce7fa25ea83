"""`make gpu-checks`: what of molmix needs a GPU, in one table, within ten minutes on one H100 or H200.

Models have the shapes of real ones and random weights, made on the device: nothing is downloaded. Every part is a
process with a time limit of its own, and the table is written again after each. So a part that fails or hangs loses
nothing of the others. Without a GPU (or with ``--tiny``) all parts run with tiny shapes, to test this script; such a
table measures nothing.

Usage: ``python -m benchmarks.gpu_checks [--tiny] [--out FILE] [PART ...]``
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.common import PROMPTS, ROOT, corpus
from molmix.core.files import digest

TOTAL = 600  # seconds for all parts
HEADER = "| part | measured | value |\n| --- | --- | --- |\n"
Rows = list[tuple[str, str]]  # what was measured, and its value

LLAMA_7B: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}
TINY_LLAMA = LLAMA_7B | {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
DEBERTA_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
TINY_DEBERTA = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


class Skipped(Exception):
    """A part cannot run here; the text says why."""


# ---- training --------------------------------------------------------------------------------------------------------


def _train(method: str, four_bits: bool, tiny: bool, models: Path) -> Rows:
    """Steps of TRL's trainer as molmix sets it up: LoRA of rank 64 on all linear layers, sequences of 512 tokens.

    The start is loaded from its folder, in 4 bits too, as in a job.
    """
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback

    from molmix.align.policy import load_policy, lora_config
    from molmix.align.settings import METHODS, resolve_settings
    from molmix.core.errors import MolmixError
    from molmix.data.prompts import answer, prompt

    device = _device()
    batch, length, steps = (2, 64, 2) if tiny else (4, 512, 6)
    texts = corpus(200)
    try:
        model, tokenizer = load_policy(_saved(models, "base", tiny), four_bits)
    except MolmixError as error:
        raise Skipped(str(error).splitlines()[0]) from None
    copies = 1 if tiny else 16  # of a caption, so that texts fill the length
    rows = [
        {
            "prompt": prompt(PROMPTS["mol2cap"], "mol2cap", molecule),
            "chosen": answer(" ".join([caption] * copies)),
            "rejected": answer(" ".join([other] * copies)),
        }
        for (molecule, caption), (_, other) in zip(texts, texts[1:] + texts[:1], strict=True)
    ]
    changes = {"max_steps": steps, "per_device_train_batch_size": batch, "gradient_accumulation_steps": 1}
    resolved = resolve_settings(method, settings=changes, lora={"r": 8 if tiny else 64})
    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            if device == "cuda":
                torch.cuda.synchronize()
            ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        METHODS[method].trainer(
            resolved["trl"]
            | {"output_dir": folder, "max_length": length, "use_cpu": device == "cpu", "bf16": device == "cuda"}
            | {"gradient_checkpointing": True, "save_strategy": "no", "report_to": "none", "disable_tqdm": True},
            model=model,
            processing_class=tokenizer,
            train_dataset=Dataset.from_list(rows),
            peft_config=lora_config(resolved["lora"]),
            callbacks=[Clock()],
        ).train()
    seconds = (ends[-1] - ends[0]) / (len(ends) - 1)  # without the first step, which compiles and allocates
    tokens = 2 * batch * length / seconds  # chosen and rejected
    # Forward and backward without the gradients of frozen weights; DPO's reference is a forward pass more.
    operations = tokens * _parameters(tiny) * (4 + 2 * METHODS[method].has_reference)
    return [
        ("seconds a step", f"{seconds:.3g} ({2 * batch} sequences of at most {length} tokens)"),
        ("tokens/s", f"{tokens:,.0f}"),
        ("share of the peak of torch.mm", f"{operations / _peak(tiny):.1%}"),
        ("memory", _memory()),
    ]


# ---- generation, NLI, merges -----------------------------------------------------------------------------------------


def _generation(tiny: bool, models: Path) -> Rows:
    import torch

    from molmix.data.prompts import prompt
    from molmix.generation.transformers_engine import TransformersEngine

    pairs = corpus(600)
    number, alone, new = (8, 2, 8) if tiny else (256, 4, 128)
    prompts = [prompt(PROMPTS["mol2cap"], "mol2cap", molecule) for molecule, _ in pairs][:number]
    settings = {"max_new_tokens": new, "batch_tokens": 65536, "temperature": 0.0, "top_p": 1.0}
    engine = TransformersEngine.load(_saved(models, "base", tiny), settings, seed=1)
    model, tokenizer = engine.model, engine.tokenizer

    def batched(some: list[str]) -> float:
        begin = time.perf_counter()
        tokens = sum(one["tokens"] for batch in engine.batches(some) for one in engine.answers(batch))
        return tokens / (time.perf_counter() - begin)

    @torch.inference_mode()
    def one_at_a_time() -> float:
        tokens, begin = 0, time.perf_counter()
        for text in prompts[:alone]:
            given = tokenizer(text, return_tensors="pt").to(model.device)
            answers = model.generate(**given, max_new_tokens=new, do_sample=False, return_dict_in_generate=False)
            tokens += answers.shape[1] - given["input_ids"].shape[1]
        return tokens / (time.perf_counter() - begin)

    batched(prompts[:2])
    together, apart = batched(prompts), one_at_a_time()
    return [
        (f"tokens/s, batches of molmix ({number} prompts, {new} new tokens)", f"{together:,.0f}"),
        ("tokens/s, transformers with one prompt at a time", f"{apart:,.1f}"),
        ("ratio", f"{together / apart:.1f} x"),
        ("memory", _memory()),
    ]


def _nli(tiny: bool, models: Path) -> Rows:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from benchmarks.nli import SHAPE, _documents, _tokenizer
    from molmix.judges.nli.model import NliModel
    from molmix.judges.nli.number_format import resolve_dtype

    documents, whose = _documents()
    tokenizer = _tokenizer(documents)
    pairs = [pair for document in documents for pair in document][: 64 if tiny else 20_000]
    config = AutoConfig.for_model("deberta-v2", **SHAPE | (TINY_DEBERTA if tiny else DEBERTA_LARGE))
    dtype = resolve_dtype("auto")
    with torch.device(_device()):
        plain = AutoModelForSequenceClassification.from_config(config).eval().to(getattr(torch, dtype))
    model = NliModel(plain, tokenizer, [0, 1, 2], max_length=256, batch_tokens=16384)
    model.score(pairs[:200])
    begin = time.perf_counter()
    model.score(pairs)
    speed = len(pairs) / (time.perf_counter() - begin)
    return [(f"pairs/s, DeBERTa-v3-large shape, {dtype}, pairs of {whose}", f"{speed:,.0f}"), ("memory", _memory())]


def _merge(tiny: bool, models: Path) -> Rows:
    """TIES of two models, as a job of the workflow: it reads three models and writes one."""
    from benchmarks.merging import molmix_merge, quietly
    from molmix.merge.methods.ties import Ties

    for name in ("base", "one", "two"):
        _saved(models, name, tiny)
    begin = time.perf_counter()
    quietly(molmix_merge(models.parent, Ties(method="ties"), "merged", "one", "two", threads=os.cpu_count() or 1))
    return [("seconds, TIES of two models and their base, start-up included", f"{time.perf_counter() - begin:.1f}")]


# ---- the default study -----------------------------------------------------------------------------------------------


def _study(tiny: bool, models: Path) -> Rows:
    """The default study with a GPU for every stage that can use one; in the tiny form only its corpus."""
    import yaml

    from molmix.config import documentation

    stages = ("initial", "align", "generate", "reject", "nli")
    gpus = {} if tiny else {"hardware": {"gpus": dict.fromkeys(stages, 1)}}
    with tempfile.TemporaryDirectory() as name:
        config = Path(name, "study.yaml")
        config.write_text(yaml.safe_dump(documentation.DEMO | gpus), encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--cores", "all", "--quiet", "all", "-s", str(ROOT / "Snakefile")]
        command += ["--configfile", str(config), "--resources", "gpu=4", "--", "data_all" if tiny else "all"]
        begin = time.perf_counter()
        done = subprocess.run(
            command, cwd=name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        seconds = time.perf_counter() - begin
        if done.returncode:
            raise RuntimeError((done.stdout + done.stderr)[-2000:])
    return [(f"seconds, {'the corpus of the default study' if tiny else 'end to end'}", f"{seconds:.0f}")]


# ---- what parts share ------------------------------------------------------------------------------------------------


def _device() -> str:
    from molmix.models.loading import default_device

    return default_device()


def _saved(models: Path, name: str, tiny: bool) -> Path:
    """Manifest of a Llama with random weights, made on the device and stored; in bfloat16 on a GPU."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from molmix.core.files import replace_folder
    from molmix.models.loading import default_dtype
    from molmix.models.manifests import write_manifest
    from molmix.models.small import make_tokenizer

    manifest = models / name / "manifest.json"
    if manifest.exists():  # another part has made it
        return manifest
    device = _device()
    dtype, tokenizer = default_dtype(device), make_tokenizer(corpus(200), PROMPTS, 800)
    tokens = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    config = LlamaConfig(**(TINY_LLAMA if tiny else LLAMA_7B), **tokens, dtype=dtype)
    torch.manual_seed(int(digest(name), 16) % 2**63)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    with replace_folder(manifest.with_name("weights")) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    facts = {"id": name, "kind": "initial", "method": "made", "parents": []}
    write_manifest(manifest, facts, manifest.with_name("weights"))
    return manifest


def _parameters(tiny: bool) -> int:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(**(TINY_LLAMA if tiny else LLAMA_7B))).num_parameters()


def _peak(tiny: bool) -> float:
    """Operations a second of a large matrix product in the number format of the models."""
    import torch

    from molmix.models.loading import default_dtype

    device, size = _device(), 512 if tiny else 8192
    matrix = torch.randn(size, size, device=device, dtype=default_dtype(device))
    best = float("inf")
    for _ in range(10):
        begin = time.perf_counter()
        matrix @ matrix
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    return 2 * size**3 / best


def _memory() -> str:
    import torch

    return f"{torch.cuda.max_memory_allocated() / 1e9:.1f} GB" if torch.cuda.is_available() else "- (no GPU)"


@dataclass(frozen=True)
class Part:
    """One part of the checks.

    Attributes:
        title: in the table.
        limit: seconds.
        run: measures it, in a process of its own, with tiny shapes or not, and the folder of models that parts share.
    """

    title: str
    limit: int
    run: Callable[[bool, Path], Rows]


def _training(method: str, four_bits: bool) -> Part:
    title = f"{method.upper()} step, Llama 7B shape, {'4-bit QLoRA' if four_bits else 'bf16 LoRA'}"
    return Part(title, 90, partial(_train, method, four_bits))


PARTS = {
    "cpo-lora": _training("cpo", four_bits=False),
    "cpo-qlora": _training("cpo", four_bits=True),
    "dpo-lora": _training("dpo", four_bits=False),
    "dpo-qlora": _training("dpo", four_bits=True),
    "generation": Part("generation, Llama 7B shape", 75, _generation),
    "nli": Part("NLI", 60, _nli),
    "merge": Part("merge of two Llama 7B shapes", 150, _merge),
    "study": Part("default study", 300, _study),
}


def main() -> None:
    """Run the parts, or one of them with ``--only`` as the process of a part."""
    parser = argparse.ArgumentParser(description="Measure what needs a GPU.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"default all: {', '.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes; always without a GPU")
    parser.add_argument("--out", type=Path, default=Path("gpu-checks.md"), help="the table (default gpu-checks.md)")
    parser.add_argument("--only", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--models", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        try:
            print(json.dumps(PARTS[given.only].run(given.tiny, given.models)))
        except Skipped as reason:
            print(json.dumps([("skipped", str(reason))]))
        return
    if unknown := sorted(set(given.parts) - PARTS.keys()):
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    import torch

    tiny = given.tiny or not torch.cuda.is_available()
    lines = [_heading(tiny), HEADER]
    end = time.monotonic() + TOTAL
    with tempfile.TemporaryDirectory() as folder:
        for name in given.parts or PARTS:
            for what, value in measure_part(name, tiny, Path(folder, "models"), end - time.monotonic()):
                lines.append(f"| {PARTS[name].title} | {what} | {value} |\n")
            given.out.write_text("".join(lines), encoding="utf-8")
    print("".join(lines), end="")


def _heading(tiny: bool) -> str:
    import torch

    if not torch.cuda.is_available():
        return "Tiny shapes on a CPU: a test of the script, which measures nothing.\n\n"
    properties = torch.cuda.get_device_properties(0)
    made_on = f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, torch {torch.__version__}"
    return f"Made on {made_on}.{' Tiny shapes: a test of the script.' if tiny else ''}\n\n"


def measure_part(name: str, tiny: bool, models: Path, left: float) -> Rows:
    """The rows of one part, or why there are none.

    Args:
        name: of the part.
        tiny: whether shapes are tiny.
        models: folder of the models that parts share.
        left: seconds until the end of all parts.
    """
    limit = min(PARTS[name].limit, left)
    if limit < 5:
        return [("not run", f"the {TOTAL} s of all parts were used")]
    command = [sys.executable, "-m", "benchmarks.gpu_checks", "--only", name, "--models", str(models)]
    command += ["--tiny"] if tiny else []
    print(f"{name} …", file=sys.stderr, flush=True)
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        stdout, stderr = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
        process.communicate()
        return [("stopped", f"after {limit:.0f} s")]
    if process.returncode:
        print(stderr, file=sys.stderr)
        last = (stderr.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        return [("failed", last[:200].replace("|", "\\|"))]
    return [(what, value) for what, value in json.loads(stdout.strip().splitlines()[-1])]


if __name__ == "__main__":
    main()
