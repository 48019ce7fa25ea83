"""Load models of the table, and refuse folders whose weights do not match their config.

:func:`check_model` decides whether a folder is a valid model. All code that reads a model folder calls it first:
generation, alignment, merges, judges, and the job that fetches a pretrained model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.core.errors import MolmixError, fault
from molmix.models.weights import ADAPTER, Weights, check_weights, read_header

if TYPE_CHECKING:
    import torch
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

    from molmix.models.lora_folding import FoldedWeights


def load(
    manifest: Path, dtype: torch.dtype | None = None, device: torch.device | str | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model of the table in eval mode, as full weights.

    The adapter of an aligned model is folded into its start in fp32, as in merges
    (:class:`molmix.models.lora_folding.FoldedWeights`), and the result is cast once to `dtype`. So all models are
    rounded in the same way.

    Args:
        manifest: ``models/<id>/manifest.json``.
        dtype: of the weights; default bfloat16 on CUDA, float32 elsewhere.
        device: default CUDA if there is a GPU.

    Raises:
        MolmixError: weights are missing, do not match their config (:func:`check_model`), cannot be folded, or do not
            fit into the free memory.
    """
    from molmix.models.lora_folding import FoldedWeights, weights_of

    device = device or default_device()
    dtype = dtype or default_dtype(device)
    weights = weights_of(manifest)
    model: Any = load_folder(weights.folder, bytes_per_weight=dtype.itemsize, device=device, dtype=dtype)
    if isinstance(weights, FoldedWeights):
        _fold(model, weights, manifest)
    return model.to(device).eval(), load_tokenizer(weights.folder, model)


def _fold(model: Any, folded: FoldedWeights, manifest: Path) -> None:
    """Replace the weights of a loaded start by those with the adapter folded in, rounded once to the model's type."""
    import torch

    with torch.no_grad():
        for stored, name in folded.adapted.items():
            weight = folded.tensor(stored)
            if not weight.isfinite().all():
                raise _not_finite(manifest, name)
            model.get_parameter(name).copy_(weight)


def load_folder(
    folder: Path, *, bytes_per_weight: float, device: torch.device | str, classifier: bool = False, **settings: Any
) -> PreTrainedModel:
    """Load a folder of full weights after :func:`check_model`.

    Args:
        folder: of full weights.
        bytes_per_weight: memory of one loaded weight.
        device: device that the model will run on, for the memory check.
        classifier: load a sequence classifier; otherwise a language model.
        settings: of ``from_pretrained``.

    Raises:
        MolmixError: see :func:`load`.
    """
    auto = check_model(folder, classifier=classifier)
    check_memory(folder, bytes_per_weight, device)
    with _told(folder, _kind(classifier)):
        model: Any = auto.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True, **settings
        )
    _check_finite(model, folder)
    return model


def check_model(folder: Path, *, classifier: bool = False) -> Any:
    """Refuse a folder unless it holds exactly the model that its config describes.

    transformers builds the model without memory for its weights. Then the names and shapes of its tensors are compared
    with the stored ones. Tied weights are stored once.

    Args:
        folder: of full weights.
        classifier: True checks for a sequence classifier, False for a language model.

    Returns:
        transformers' ``Auto`` class that loads it.

    Raises:
        MolmixError: its files are missing, damaged or ambiguous (:func:`molmix.models.weights.weight_files`); the
            config does not describe such a model; or a tensor is missing, has another shape, or belongs to a layer that
            the config does not have.
    """
    check_weights(folder)
    auto = _auto_class(load_config(folder), classifier)
    with _told(folder, _kind(classifier)), _quiet():
        model, report = auto.from_pretrained(
            folder,
            device_map="meta",
            ignore_mismatched_sizes=True,  # reported below, with names
            output_loading_info=True,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
    if report["missing_keys"]:
        raise _unlike(folder, "lacks", sorted(report["missing_keys"]), sorted(report["unexpected_keys"]))
    for name, stored, expected in sorted(report["mismatched_keys"]):
        what = f"stores {name} as {list(stored)}, and config.json describes {list(expected)}"
        raise fault(folder, what, "restore the config.json that belongs to these weights, or name another model")
    patterns = {_numberless(name) for name in model.state_dict()}
    if strange := sorted(name for name in report["unexpected_keys"] if _numberless(name) in patterns):
        raise _unlike(folder, "stores layers that config.json does not describe:", strange, [])
    return auto


def tied_tensors(folder: Path) -> dict[str, str]:
    """By name of a tensor, the tensor that it is by the config: mostly the output layer and the embedding."""
    import torch

    config = load_config(folder)
    with torch.device("meta"):
        model: Any = _auto_class(config).from_config(config)
    return dict(model.all_tied_weights_keys)


def check_adapter(adapter: Path, start: Path) -> None:
    """Refuse an adapter unless it holds exactly the tensors that its adapter_config.json describes.

    transformers and PEFT build start and adapter without memory for their weights. Then the names and shapes of the
    adapter's tensors are compared with those in the header of its file.

    Args:
        adapter: folder that PEFT saved.
        start: folder of the full weights that the adapter was trained on.

    Raises:
        MolmixError: the adapter is damaged or does not fit this start; a tensor is missing, has another shape, or is
            not in adapter_config.json.
    """
    import torch
    from peft import PeftConfig, get_peft_model, get_peft_model_state_dict

    stored = {name: tensor.shape for name, tensor in read_header(adapter / "adapter_model.safetensors").items()}
    config = load_config(start)
    with _told(adapter, "an adapter"), _quiet():
        with torch.device("meta"):
            model = _auto_class(config).from_config(config)
        model = get_peft_model(model, PeftConfig.from_pretrained(str(adapter)), low_cpu_mem_usage=True)
        expected = {name: tuple(part.shape) for name, part in get_peft_model_state_dict(model).items()}
    missing, strange = sorted(expected.keys() - stored.keys()), sorted(stored.keys() - expected.keys())
    if missing:
        raise _unlike(adapter, "lacks", missing, strange)
    if strange:
        raise _unlike(adapter, "stores parts that adapter_config.json does not describe:", strange, [])
    for name, shape in sorted(expected.items()):
        if stored[name] != shape:
            what = f"stores {name} as {list(stored[name])}, and adapter_config.json describes {list(shape)}"
            raise fault(adapter, what, "restore the adapter_config.json that belongs to it, or make the adapter again")


def _auto_class(config: PretrainedConfig, classifier: bool = False) -> Any:
    """transformers' ``Auto`` class that builds the model of a config."""
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoModelForSequenceClassification

    if classifier:
        return AutoModelForSequenceClassification
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def weights_prefix(folder: Path) -> str:
    """The first part, with its dot, of the names of a model's tensors, which some published files leave out."""
    model = _auto_class(config := load_config(folder))._model_mapping[type(config)]
    return f"{model.base_model_prefix}."


def _kind(classifier: bool) -> str:
    return "a sequence classifier" if classifier else "a language model"


def _unlike(folder: Path, verb: str, names: list[str], instead: list[str]) -> MolmixError:
    what = f"{verb} {names[0]}" + (f" and {len(names) - 1} more tensors" if len(names) > 1 else "")
    config = ADAPTER if (folder / ADAPTER).exists() else "config.json"
    what += f"; it stores {instead[0]}, which {config} does not describe" if instead else ""
    hint = f"save the model again with its library's `save_pretrained`, or restore its {config}"
    return fault(folder, what, hint)


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def load_config(folder: Path) -> PretrainedConfig:
    """transformers' configuration of a model.

    Raises:
        MolmixError: it is missing or damaged, or this version of transformers does not know its model type.
    """
    from transformers import AutoConfig

    with _told(folder, "a model"):
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    return config


def load_tokenizer(folder: Path, model: PreTrainedModel | None = None, **settings: Any) -> PreTrainedTokenizerBase:
    """Tokenizer of a model's folder.

    Args:
        folder: of full weights.
        model: the loaded model, if there is one: its embedding must have a row for each token.
        settings: of ``from_pretrained``.

    Raises:
        MolmixError: it cannot be read, is not there, or has more tokens than the model.
    """
    from transformers import AutoTokenizer

    with _told(folder, "a tokenizer"):
        tokenizer: Any = AutoTokenizer.from_pretrained(
            folder, trust_remote_code=False, local_files_only=True, **settings
        )
    if len(tokenizer.get_vocab()) <= len(set(tokenizer.all_special_tokens)):  # what transformers makes of no files
        raise fault(folder, "holds no vocabulary of a tokenizer", "save the model's tokenizer beside its weights")
    if model is not None:
        embedding: Any = model.get_input_embeddings()
        rows = len(embedding.weight)
        token, number = max(tokenizer.get_vocab().items(), key=lambda entry: entry[1], default=("", -1))
        if number >= rows:
            what = f"its tokenizer gives {token!r} the id {number}, and its embedding has {rows} rows"
            hint = "resize the embedding (`resize_token_embeddings`), or take the added tokens out of the tokenizer"
            raise fault(folder, what, hint)
    return tokenizer


@contextmanager
def _told(folder: Path, what: str) -> Iterator[None]:
    """Turn errors of transformers and PEFT for a folder that they cannot load into one message."""
    try:
        yield
    except (MolmixError, MemoryError):
        raise
    except Exception as error:  # a wrong config can raise any error in the code of a model
        said = " ".join(str(error).split())[:300]
        hint = "have the model made or fetched again, or name one that this version of transformers loads"
        raise fault(folder, f"cannot be loaded as {what} ({type(error).__name__}: {said})", hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Switch off transformers' own report of mismatches, and its progress bar."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _check_finite(model: PreTrainedModel, folder: Path) -> None:
    """Refuse weights that hold NaN or infinity, in one pass over them and without a copy."""
    for name, weight in model.named_parameters():
        if weight.is_floating_point() and weight.numel():
            least, most = weight.detach().aminmax()
            if not (least.isfinite() & most.isfinite()):
                raise _not_finite(folder, name)


def _not_finite(where: Path, name: str) -> MolmixError:
    hint = "make or fetch the model again, or name another; a training that diverged needs a lower rate"
    return fault(where, f"its weight {name} holds NaN or infinity", hint)


def check_memory(folder: Path, bytes_per_weight: float, device: torch.device | str) -> None:
    """Refuse weights that do not fit into memory. Only their headers are read.

    Args:
        folder: of full weights.
        bytes_per_weight: memory of one loaded weight.
        device: device to load them on.

    Raises:
        MolmixError: more memory is needed than is free. If the system does not report free memory, nothing is refused.
    """
    needed, free = bytes_per_weight * Weights(folder).parameters, _free_memory(device)
    if free is not None and needed > free:
        what = f"needs {needed / 1e9:.1f} GB for its weights alone, and {free / 1e9:.1f} GB are free ({device})"
        raise fault(folder, what, "run it where there is more memory, or ask for more (`mem_mb`, `hardware`)")


def _free_memory(device: torch.device | str) -> int | None:
    """Free bytes of a device; on a CPU those of this job's control group, if that limit is lower."""
    if str(device).startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):  # not Linux
        return None
    try:
        name = Path("/proc/self/cgroup").read_text(encoding="utf-8").strip().rpartition(":")[2].lstrip("/")
        group = Path("/sys/fs/cgroup") / name
        most = int((group / "memory.max").read_text(encoding="utf-8"))
        counts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="utf-8").splitlines())
        return min(free, most - int(counts["anon"]))  # the memory of cached files can be freed
    except (OSError, ValueError, KeyError):  # no such group, or no limit ("max")
        return free


def default_device() -> str:
    """``cuda`` if there is a GPU, else ``cpu``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 on CUDA; float32 on a CPU, where bfloat16 is slow without special instructions."""
    import torch

    return torch.bfloat16 if str(device).startswith("cuda") else torch.float32
