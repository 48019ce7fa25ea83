"""What the measurements share: clocks, a small model with random weights, captions, and arguments of commands."""

import argparse
import csv
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

from molmix.core.errors import MolmixError

ROOT = Path(__file__).resolve().parents[1]
Row = tuple[str, str, str, str, str]
# Shape of SmolLM2-135M, for :func:`small_model`.
SMOLLM2 = {"vocab_size": 49_152, "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
SMOLLM2 |= {"num_attention_heads": 9, "num_key_value_heads": 3}
PROMPTS = {"mol2cap": "Molecule: {molecule}\nCaption:", "cap2mol": "Caption: {caption}\nMolecule:"}


def measure_section(name: str) -> list[Row]:
    """The rows of one section of `make bench`, in a process of its own."""
    os.dup2(2, 1)  # standard output is for the table: trainers and the processes that they start print there, too
    rows: list[Row] = import_module(f"benchmarks.{name}").measure()
    return rows


def in_turn(*calls: Callable[[], object], rounds: int = 3) -> list[float]:
    """Median wall seconds of each of some calls: A B C A B C …"""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, times, strict=True):
            begin = time.perf_counter()
            call()
            own.append(time.perf_counter() - begin)
    return [*map(median, times)]


def python(*arguments: str) -> None:
    """Run a Python process to its end, quietly."""
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def small_model(folder: Path, name: str, pairs: list[tuple[str, str]], seed: int, **shape: Any) -> Path:
    """A model of the table with random weights and the demo's shape, or what of it is said otherwise; returns its
    manifest.
    """
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    from molmix.models.manifests import write_manifest
    from molmix.models.small import make_tokenizer

    tokenizer = make_tokenizer(pairs, PROMPTS, 800)
    torch.manual_seed(seed)
    demo = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 4, "num_attention_heads": 4}
    tokens = {name: getattr(tokenizer, name) for name in ("pad_token_id", "bos_token_id", "eos_token_id")}
    rest = {"vocab_size": len(tokenizer), "max_position_embeddings": 512, "tie_word_embeddings": True}
    config = LlamaConfig(**demo | tokens | rest | shape)
    weights = folder / "models" / name / "weights"
    AutoModelForCausalLM.from_config(config).save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    manifest = folder / "models" / name / "manifest.json"
    write_manifest(manifest, {"id": name, "kind": "initial", "method": "made", "parents": []}, weights)
    return manifest


def sibling(start: Path, name: str, seed: int) -> Path:
    """An aligned model: a LoRA of rank 16 with random weights on all linear layers of a start; returns its manifest."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    from molmix.models.manifests import write_manifest

    torch.manual_seed(seed)
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(start.parent / "weights"), lora)
    for part, weight in model.named_parameters():
        if "lora_B" in part:  # zero before training, which would make the start of every sibling
            torch.nn.init.normal_(weight, std=0.01)
    adapter = start.parents[1] / name / "adapter"
    model.save_pretrained(adapter, save_embedding_layers=False)
    manifest = adapter.with_name("manifest.json")
    facts = {"id": name, "kind": "aligned", "method": "made", "parents": [start.parent.name]}
    write_manifest(manifest, facts, adapter)
    return manifest


def corpus(rows: int) -> list[tuple[str, str]]:
    """Molecules and captions of the embedded world."""
    from molmix.data.synthetic.corpus import corpus as world

    return list(world(rows, 1)[["molecule", "caption"]].itertuples(index=False, name=None))


# ---- commands --------------------------------------------------------------------------------------------------------


def command(main: Callable[..., None], **arguments: dict[str, Any]) -> None:
    """Run the function of a script with the arguments of the command line, or end with one message and the usage.

    Args:
        main: a function of a module whose docstring is the help.
        arguments: for each argument of `main`, the options of :meth:`argparse.ArgumentParser.add_argument`.
    """
    module = main.__globals__
    parser = argparse.ArgumentParser(
        f"python -m {module['__spec__'].name}",
        description=module["__doc__"],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, options in arguments.items():
        parser.add_argument(name, metavar=name.upper(), **options)
    given = vars(parser.parse_args())
    try:
        main(**given)
    except MolmixError as error:
        parser.error(str(error))


def table_with(*columns: str) -> Callable[[str], Path]:
    """The type of an argument that names a TSV file with some columns."""

    def checked(text: str) -> Path:
        try:
            with Path(text).open(encoding="utf-8") as file:
                there = file.readline().rstrip("\n").split("\t")
        except (OSError, UnicodeDecodeError) as error:
            raise argparse.ArgumentTypeError(f"{text} cannot be read: {error}") from None
        if missing := [column for column in columns if column not in there]:
            raise argparse.ArgumentTypeError(f"{text} has no column {', '.join(missing)}; it has {', '.join(there)}")
        return Path(text)

    return checked


def folder(text: str) -> Path:
    """The type of an argument that names a folder that exists."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {text}")
    return Path(text)


def count(text: str) -> int:
    """The type of an argument that is a number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1")
    return int(text)


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV file without quoting."""
    csv.field_size_limit(10**7)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
