"""Text2Mol (Edwards, Zhai & Ji 2021): the cosine of the embeddings of a caption and its molecule, by the MLP model.

The layout is that of ``MLPModel`` in https://github.com/cnedwards/text2mol, so that the published weights load
strictly. The evaluation is that of MolT5's and L+M-24's ``text_text2mol_metric.py``: captions are cut at 256 tokens,
molecules have 300 mol2vec features (Jaeger et al. 2018), and molecules without features are left out.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn
from transformers import BertConfig, BertModel, BertTokenizer, PreTrainedTokenizerBase

from molmix.core.errors import fault, show_value
from molmix.core.files import read_rows_of, read_table, write_table
from molmix.core.hub import snapshot
from molmix.data.smiles import join_key
from molmix.data.sources import file_format, read_file
from molmix.metrics.settings import Text2MolSettings
from molmix.models.loading import default_device

FEATURES = 300  # number of features of a molecule in mol2vec's published model
MAX_TOKENS = 256

log = logging.getLogger(__name__)


def write_similarities(*, name: str, test: Path, predictions: Path, settings: dict[str, Any], out: Path) -> None:
    """Measure one model's captions of one test set.

    Writes a table with one row per caption: ``id``, ``text2mol`` (float32, null if the molecule has no features).

    Args:
        name: of the test set.
        test: the test set (columns of `molmix.data.corpus.TEST`).
        predictions: the model's answers (columns id, text), in the same order.
        settings: see :class:`molmix.metrics.families.text2mol.Text2MolSettings`.
        out: table to write.

    Raises:
        MolmixError: the predictions do not belong to the test set, or a file of the settings cannot be used.
    """
    chosen = Text2MolSettings(**settings)
    rows = read_table(test, ["id", "molecule"])
    answers = read_rows_of(predictions, rows["id"].to_pylist(), test, ["id", "text"])
    similarity, covered = text2mol(
        answers["text"].to_pylist(),
        rows[chosen.key].to_pylist(),
        weights=Path(chosen.weights),
        text_model=chosen.text_model,
        revision=chosen.revision,
        features=read_features(Path(chosen.features_of(name)), chosen.key, chosen.column),
        batch_tokens=chosen.batch_tokens,
    )
    log.info("%d of %d molecules have mol2vec features", covered.sum(), len(covered))
    write_table(out, pa.table({"id": rows["id"], "text2mol": pa.array(similarity, pa.float32(), mask=~covered)}))


def text2mol(
    texts: Sequence[str],
    molecules: Sequence[str],
    *,
    weights: Path,
    text_model: str,
    features: Mapping[str, np.ndarray],
    revision: str | None = None,
    batch_tokens: int = 16384,
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of each text and its molecule.

    Args:
        texts: captions, cut at 256 tokens; an empty caption also has an embedding, as published.
        molecules: for each text the key of its molecule in ``features``.
        weights: state dict of the model, as torch's ``.pt`` or as safetensors.
        text_model: hub id or local folder of the text encoder's config and vocabulary.
        features: float32 [300] by key.
        revision: of a hub id.
        batch_tokens: tokens in a batch of texts.

    Returns:
        Similarities, float32 [n] in [-1, 1], NaN if the molecule has no features; and bool [n], whether it has
        features.

    Raises:
        MolmixError: the weights or the text model cannot be used, or a result is not a number.
        ValueError: the two lists differ in length.
    """
    covered = np.array([key in features for _, key in zip(texts, molecules, strict=True)], dtype=bool)
    similarity = np.full(len(covered), np.nan, np.float32)
    if covered.any():  # otherwise the model is not needed
        model, tokenizer = load_text2mol(weights, text_model, revision)
        asked = np.flatnonzero(covered).tolist()
        vectors = np.stack([features[molecules[row]] for row in asked])
        similarity[asked] = _similarities(model, tokenizer, [texts[row] for row in asked], vectors, batch_tokens)
        if np.isnan(similarity[covered]).any():
            raise fault(weights, "answers with NaN", "the weights or the features are broken: fetch them again")
    return similarity, covered


@torch.inference_mode()
def _similarities(
    model: Text2Mol, tokenizer: PreTrainedTokenizerBase, texts: list[str], vectors: np.ndarray, batch_tokens: int
) -> np.ndarray:
    ids = tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]
    lengths = np.array([len(row) for row in ids])
    device = model.temp.device
    found = np.empty(len(texts), np.float32)
    for length in np.unique(lengths)[::-1]:  # group texts by length, so that nothing is padded
        same_length = np.flatnonzero(lengths == length)
        step = max(1, batch_tokens // length)
        for batch in (same_length[start : start + step] for start in range(0, len(same_length), step)):
            tokens = torch.tensor([ids[row] for row in batch], device=device)
            molecules = torch.from_numpy(vectors[batch]).to(device)
            cosines = nn.functional.cosine_similarity(model.embed_texts(tokens), model.embed_molecules(molecules))
            found[batch] = cosines.cpu().numpy()
    return found


# ---- the model ---------------------------------------------------------------------------------------------------


class Text2Mol(nn.Module):
    """The published MLP model, with the names of the published state dict.

    Args:
        config: of the text encoder.
        hidden: width of the molecule's hidden layers (published: 600).
        width: of the molecule's features, and of both embeddings (published: 300).
    """

    def __init__(self, config: BertConfig, hidden: int, width: int) -> None:
        super().__init__()
        self.text_hidden1 = nn.Linear(config.hidden_size, width)
        self.mol_hidden1 = nn.Linear(width, hidden)
        self.mol_hidden2 = nn.Linear(hidden, hidden)
        self.mol_hidden3 = nn.Linear(hidden, width)
        self.ln1 = nn.LayerNorm(width)
        self.ln2 = nn.LayerNorm(width)
        # It scales both embeddings in training and does not change their cosine, but the state dict contains it.
        self.temp = nn.Parameter(torch.tensor([0.07]))
        self.text_transformer_model = BertModel(config)

    def embed_texts(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embeddings of texts without padding: token ids [n, length] -> [n, width]."""
        # A mask of ones: without it, the padding token's id in a text would be treated as padding.
        encoded = self.text_transformer_model(tokens, attention_mask=torch.ones_like(tokens))
        return self.ln2(self.text_hidden1(encoded.pooler_output))

    def embed_molecules(self, features: torch.Tensor) -> torch.Tensor:
        """Embeddings of molecules: features [n, width] -> [n, width]."""
        hidden = torch.relu(self.mol_hidden1(features))
        return self.ln1(self.mol_hidden3(torch.relu(self.mol_hidden2(hidden))))


def load_text2mol(
    weights: Path, text_model: str, revision: str | None = None
) -> tuple[Text2Mol, PreTrainedTokenizerBase]:
    """Load the model in float32, onto CUDA if there is a GPU, with its tokenizer.

    Args:
        weights: see :func:`text2mol`. They include the text encoder's weights, so only config and vocabulary of the
            text model are read.
        text_model: see :func:`text2mol`.
        revision: of a hub id.

    Raises:
        MolmixError: a file is missing or wrong.
    """
    config, tokenizer = _text_model(text_model, revision)
    state = _state(weights)
    try:
        hidden, width = state["mol_hidden1.weight"].shape
        model = Text2Mol(config, hidden, width)
        model.load_state_dict(state)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        hint = "give the weights of Text2Mol's MLP model, and the text model that they were trained with"
        raise fault(weights, f"is no Text2Mol model on {text_model} ({reason})", hint) from None
    return model.to(default_device()).eval(), tokenizer


def _text_model(text_model: str, revision: str | None) -> tuple[BertConfig, PreTrainedTokenizerBase]:
    where, hint = "metrics.text2mol.text_model", "name a folder or a hub id with config.json and vocab.txt of a BERT"
    local = Path(text_model).is_dir()
    if not local and revision is None:
        raise fault(where, f"{text_model!r} is no local folder", "give a hub id its `revision`, or fix the path")
    if local and not (Path(text_model) / "config.json").is_file():  # otherwise transformers uses its own defaults
        raise fault(where, f"{text_model!r} holds no config.json", hint)
    folder = Path(text_model) if local else snapshot(where, text_model, str(revision), "tokenizer")
    try:
        # By name, not by Auto classes: SciBERT's config.json has no model type.
        config = BertConfig.from_pretrained(folder, local_files_only=True)
        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise fault(where, f"{text_model!r} cannot be read ({reason})", hint) from None
    if len(tokenizer) != config.vocab_size:  # without a vocab.txt, transformers makes a vocabulary of five words
        raise fault(where, f"{text_model!r} has {len(tokenizer)} words for a model of {config.vocab_size}", hint)
    return config, tokenizer


def _state(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, SafetensorError, pickle.UnpicklingError) as error:
        hint = "give Text2Mol's published weights (test_outputfinal_weights.320.pt), or safetensors"
        raise fault(path, f"cannot be read as weights ({' '.join(str(error).split())[:200]})", hint) from None
    # A buffer of positions that older transformers saved too. It is not a weight, and BERT creates it.
    return {name: value for name, value in state.items() if not name.endswith("embeddings.position_ids")}


# ---- features ----------------------------------------------------------------------------------------------------


def read_features(path: Path, key: str, column: str) -> dict[str, np.ndarray]:
    """Read mol2vec features.

    Args:
        path: by its ending ``.txt``: Text2Mol's own files, key, tab, 300 numbers between spaces, tab, description,
            without a header; ``.csv`` or ``.tsv``: mol2vec's, with columns ``mol2vec-000`` … ``mol2vec-299``;
            ``.jsonl`` or ``.parquet``: a list column ``mol2vec``. Gzipped or not.
        key: `molecule` if keys are SMILES, which are canonicalised; `id` if they are used unchanged.
        column: of the key, if the file has columns.

    Returns:
        float32 [300] by key (for molecules, :func:`molmix.data.smiles.join_key`).

    Raises:
        MolmixError: the file is missing or damaged, a row has no key or does not hold 300 numbers, or two rows give
            one id different numbers.
    """
    found: dict[str, np.ndarray] = {}
    for number, (name, values) in enumerate(_rows(path, column), start=1):
        where = f"{path}, row {number}"
        try:
            vector = np.array(values, dtype=np.float32)
        except (TypeError, ValueError):
            vector = np.empty(0, np.float32)
        if vector.shape != (FEATURES,) or not np.isfinite(vector).all():
            raise fault(where, f"does not hold {FEATURES} numbers", "give mol2vec features")
        if name is None or not str(name).strip():
            raise fault(where, f"its {key} is {show_value(name)}", "write it there, or remove the row")
        joined = join_key(str(name), "molecules") if key == "molecule" else str(name)
        if key == "id" and joined in found and (found[joined] != vector).any():
            raise fault(where, f"a second molecule has the id {show_value(name)}", "make ids unique")
        found[joined] = vector
    return found


def _rows(path: Path, column: str) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Key and features of each row."""
    kind = file_format(path)
    if kind == "lines":
        for row in read_file(path, {"text": "text"}):
            name, _, rest = row["text"].partition("\t")
            yield name, rest.partition("\t")[0].split()
    elif kind in ("csv", "tsv"):
        numbers = [f"mol2vec-{number:03d}" for number in range(FEATURES)]
        for row in read_file(path, {"key": column} | {name: name for name in numbers}):
            yield row["key"], [row[name] for name in numbers]
    else:
        for row in read_file(path, {"key": column, "mol2vec": "mol2vec"}):
            yield row["key"], row["mol2vec"]
