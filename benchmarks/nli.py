"""The judge: forward passes against the usual ways of making them, and all that is not a forward pass at full scale.

All sides have the same weights and one thread. The peers compute by PyTorch in the same number format, except for int8,
which they are compared with in float32. They are:

* SummaC: the pairs of one document at a time, padded to the longest.
* CrossEncoder of sentence-transformers: all pairs, sorted by the length of their texts, in padded batches of one size.
  Its `predict` is written out here (the package is not installed), and its best batch size is taken.
* The pipeline `text-classification` of transformers, on pairs sorted by their number of tokens, with CrossEncoder's
  best batch size.

The time to convert a model for another engine is not counted; it is printed.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Row, corpus, read_rows
from molmix.judges.decompose.backends.rules import decompose

SHARED = Path(__file__).resolve().parents[2] / "shared"
BATCHES = 3  # that each side is timed on
BATCH = 32  # pairs of similar length that are timed together
SIZES = (8, 16, 32)  # batch sizes of CrossEncoder
LARGEST = 16  # pairs of a document that are timed with SummaC: more of them take no less time each
SYSTEMS = 20

# DeBERTa-v3-base, as its config on the hub says.
SHAPE: dict[str, Any] = {
    "vocab_size": 128100,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "relative_attention": True,
    "position_buckets": 256,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "max_relative_positions": -1,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "num_labels": 3,
}

Document = list[tuple[str, str]]  # all pairs of a caption's atoms with its reference's, in both directions


def measure() -> list[Row]:
    return [*_forward(), *_everything_else()]


# ---- forward passes --------------------------------------------------------------------------------------------------


def _forward() -> list[Row]:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from molmix.judges.nli.engines import ENGINES, TORCH
    from molmix.judges.nli.number_format import resolve_dtype

    torch.set_num_threads(1)
    torch.manual_seed(0)
    documents, whose = _documents()
    tokenizer = _tokenizer(documents)
    plain: Any = AutoModelForSequenceClassification.from_config(AutoConfig.for_model("deberta-v2", **SHAPE)).eval()

    cells = [pair for document in documents for pair in document]
    lengths = _lengths(tokenizer, cells)
    order = np.argsort(lengths, kind="stable")
    own = [[cells[index] for index in order[start : start + BATCH]] for start in _evenly(len(cells) - BATCH)]
    # Documents as often as they have pairs: the mean of seconds a pair is then that of the whole.
    longest = np.maximum.reduceat(lengths, np.cumsum([0, *map(len, documents[:-1])]))
    by_length = sorted(range(len(documents)), key=lambda index: longest[index])
    owner = np.repeat(by_length, [len(documents[index]) for index in by_length])
    whole = [(documents[index][:LARGEST], int(longest[index])) for index in owner[_evenly(len(owner))]]

    what = f"NLI, DeBERTa-v3-base shape, 1 thread, {whose}"
    rows: list[Row] = []
    best: dict[str, tuple[float, str]] = {}  # CrossEncoder's speed by format
    exact: Any = None
    share = len(cells) / len(set(cells))
    for dtype in dict.fromkeys(["float32", resolve_dtype("auto")]):
        model = copy.deepcopy(plain).to(getattr(torch, dtype))
        answers, speed = _by_engine(model, tokenizer, TORCH, dtype, own)
        exact = answers if exact is None else exact
        best[dtype] = _cross_encoder(model, tokenizer, own)
        size = int(best[dtype][1].rsplit(" ", 1)[1])
        others = [(_summac(model, tokenizer, whole), "SummaC: a document's pairs at a time, padded", "-")]
        others += [(_pipeline(model, tokenizer, own, size), f"pipeline: sorted, padded, batches of {size}", "-")]
        others += [(*best[dtype], "-")]
        mine = f"{what}: torch, {dtype}"
        rows += [_row(mine, speed, *other) for other in others]
        rows += [
            _row(f"{mine}, pairs answered ({share:.2f} for each distinct one)", speed * share, *best[dtype], "3 x")
        ]
        operations = np.mean([_operations(_lengths(tokenizer, batch)).mean() for batch in own])
        achieved, peak = operations * speed / 1e9, _peak(getattr(torch, dtype)) / 1e9
        words = (
            f"{achieved:.0f} GFLOP/s",
            f"{peak:.0f} GFLOP/s (torch.mm of 2048²)",
            f"{achieved / peak:.0%} of the peak",
        )
        rows.append((f"{mine}, arithmetic", *words, "-"))
    for engine, kind in ENGINES.items():
        if not kind.is_installed():
            rows.append((f"{what}: {engine} was not measured: pip install 'molmix[{kind.extra}]'", "-", "-", "-", "-"))
            continue
        for dtype in kind.dtypes if engine != TORCH else ():
            answers, speed = _by_engine(plain, tokenizer, engine, dtype, own)
            peer = dtype if dtype in best else "float32"
            changed = (answers.argmax(axis=1) != exact.argmax(axis=1)).mean()
            agreement = f"difference at most {np.abs(answers - exact).max():.1g}, labels changed {changed:.1%}"
            asked = {"float32": "1.7 x", "int8": "4 x"}.get(dtype, "-")
            speed_of, named = best[peer]
            rows += [_row(f"{what}: {engine}, {dtype}, {agreement}", speed, speed_of, f"{named}, {peer}", asked)]
    return rows


def _row(what: str, speed: float, other: float, peer: str, asked: str) -> Row:
    return what, f"{speed:.1f} pairs/s", f"{other:.1f} pairs/s ({peer})", f"{speed / other:.2f} x", asked


def _by_engine(plain: Any, tokenizer: Any, engine: str, dtype: str, own: list[Document]) -> tuple[np.ndarray, float]:
    """Answers, and pairs a second. The model stays as it is."""
    from molmix.judges.nli.model import NliModel

    begin = time.process_time()
    settings = {"max_length": 256, "batch_tokens": 16384, "engine": engine, "dtype": dtype}
    model = NliModel(copy.deepcopy(plain), tokenizer, [0, 1, 2], **settings)
    print(f"{engine}, {dtype}: ready after {time.process_time() - begin:.1f} CPU s")
    model.score(own[0][:2])
    answers: list[np.ndarray] = []
    seconds = [_cpu_seconds(lambda batch=batch: answers.append(model.score(batch).probabilities)) for batch in own]
    return np.concatenate(answers), _speed(seconds, own)


def _padded(model: Any, tokenizer: Any, pairs: Document, longest: int | None = None) -> None:
    import torch

    texts = [list(texts) for texts in zip(*pairs, strict=True)]
    padding = "max_length" if longest else "longest"
    with torch.inference_mode():
        model(**tokenizer(*texts, padding=padding, max_length=longest or 256, truncation=True, return_tensors="pt"))


def _summac(model: Any, tokenizer: Any, whole: list[tuple[Document, int]]) -> float:
    seconds = [_cpu_seconds(lambda one=one: _padded(model, tokenizer, *one)) for one in whole]
    return _speed(seconds, [document for document, _ in whole])


def _cross_encoder(model: Any, tokenizer: Any, own: list[Document]) -> tuple[float, str]:
    """Pairs a second with its best batch size, and that in words."""

    def predict(pairs: Document, size: int) -> None:
        for start in range(0, len(pairs), size):
            _padded(model, tokenizer, pairs[start : start + size])

    by_characters = [sorted(batch, key=lambda pair: -sum(map(len, pair))) for batch in own]
    speeds = {
        size: _speed(
            [_cpu_seconds(lambda pairs=pairs, size=size: predict(pairs, size)) for pairs in by_characters], own
        )
        for size in SIZES
    }
    size = max(speeds, key=speeds.__getitem__)
    return speeds[size], f"CrossEncoder: sorted, padded, batches of {size}"


def _pipeline(model: Any, tokenizer: Any, own: list[Document], size: int) -> float:
    from transformers import pipeline

    classify: Any = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    asked = [[{"text": premise, "text_pair": hypothesis} for premise, hypothesis in batch] for batch in own]
    return _speed([_cpu_seconds(lambda one=one: classify(one, batch_size=size, top_k=None)) for one in asked], own)


def _speed(seconds: list[float], batches: list[Document]) -> float:
    """Pairs a second: one over the mean of seconds a pair, so that each batch counts the same."""
    return 1 / float(np.mean([spent / len(batch) for spent, batch in zip(seconds, batches, strict=True)]))


def _documents() -> tuple[list[Document], str]:
    """Real captions and a real system's where they are there; else captions of the embedded world, one off."""
    path = SHARED / "data/chebi20/molt5-small-smiles2caption.tsv"
    if path.is_file():
        rows = read_rows(path)
        sides = [row["ground truth"] for row in rows], [row["output"] for row in rows]
        whose = "ChEBI-20 and MolT5-small"
    else:
        captions = [caption for _, caption in corpus(1000)]
        sides, whose = (captions, captions[1:] + captions[:1]), "the embedded world"
    atoms = zip(*map(decompose, sides), strict=True)
    documents = [
        [pair for given in reference for said in generated for pair in ((given, said), (said, given))]
        for reference, generated in atoms
    ]
    return [document for document in documents if document], whose


def _tokenizer(documents: list[Document]) -> Any:
    """SciBERT's wordpieces where they are there, else ones made from the captions: pieces of the usual length."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    vocabulary = SHARED / "data/vocab/scibert-scivocab-uncased.txt"
    if vocabulary.is_file():
        return BertTokenizer(str(vocabulary))
    bare = BertWordPieceTokenizer()
    bare.train_from_iterator((text for document in documents for pair in document for text in pair), vocab_size=4000)
    return BertTokenizer(bare.get_vocab())


def _lengths(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Tokens of each pair, the three marks counted, int64 [pairs]."""
    texts = list({text for pair in pairs for text in pair})
    single = dict(zip(texts, map(len, tokenizer(texts, add_special_tokens=False)["input_ids"]), strict=True))
    return np.array([single[premise] + single[hypothesis] + 3 for premise, hypothesis in pairs])


def _operations(lengths: np.ndarray) -> np.ndarray:
    """Multiplications and additions of a pair that no implementation can spare: linear layers and plain attention."""
    hidden, inner, layers = SHAPE["hidden_size"], SHAPE["intermediate_size"], SHAPE["num_hidden_layers"]
    return 2 * layers * (lengths * (4 * hidden**2 + 2 * hidden * inner) + 2 * hidden * lengths**2)


def _evenly(count: int) -> np.ndarray:
    """Places in the middle of :data:`BATCHES` equal parts of a list."""
    return ((np.arange(BATCHES) + 0.5) * count / BATCHES).astype(int)


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _cpu_seconds(call: Callable[[], object]) -> float:
    """CPU seconds of this process: with one thread, other work on the machine changes them little."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def _peak(dtype: Any) -> float:
    """Operations a second of a large matrix product, the best of five."""
    import torch

    matrix = torch.randn(2048, 2048).to(dtype)
    return 2 * 2048**3 / min(_cpu_seconds(lambda: torch.mm(matrix, matrix)) for _ in range(5))


# ---- everything but forward passes ---------------------------------------------------------------------------------


def _everything_else() -> list[Row]:
    if not (SHARED / "data/lpm24").is_dir():
        return [("the judge without forward passes was not measured: no captions of L+M-24", "-", "-", "-", "-")]
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as pool:
        told = pool.submit(_judge_all, Path(folder)).result()
    what = "L+M-24, MolT5-Small against Meditron, 21,942 captions"
    scale = f"{SYSTEMS} systems, all but forward passes"
    return [
        (
            f"{what}: distinct pairs",
            f"{told['distinct']:,}",
            f"{told['cells']:,} (every pair of every caption)",
            f"{told['cells'] / told['distinct']:.0f} x",
            "40 x",
        ),
        (f"{what}, all but forward passes", f"{told['first']:.1f} s", "-", f"{told['first_mb']:.0f} MB", "-"),
        (f"{scale}: time", f"{told['seconds']:.0f} s", "-", "-", "300 s"),
        (f"{scale}: peak memory", f"{told['mb']:.0f} MB", f"{told['first_mb']:.0f} MB (one system)", "-", "4096 MB"),
    ]


def _judge_all(folder: Path) -> dict[str, float]:
    """Cut, cross and judge Meditron's captions against those of one real and 19 recombined systems, in this process."""
    told: dict[str, float] = {"seconds": 0.0}
    lines = [_lines("Meditron"), _lines("MolT5-Small")]
    draw = random.Random(0)
    told["seconds"] += _seconds(lambda: _cut(folder, "reference", lines[0]))
    for number in range(SYSTEMS):
        own = lines[1] if number == 0 else [_drawn(lines, row, draw) for row in range(len(lines[0]))]
        seconds = _seconds(lambda number=number, own=own: _cut(folder, str(number), own))
        _fill(folder, str(number))
        begin = time.perf_counter()
        counts = _judge(folder, str(number))
        seconds += time.perf_counter() - begin
        told["seconds"] += seconds
        if number == 0:
            told |= {"first": told["seconds"], "first_mb": _megabytes()} | counts
    return told | {"mb": _megabytes()}


def _lines(system: str) -> list[str]:
    with gzip.open(SHARED / f"data/lpm24/{system}-submission.txt.gz", "rt", encoding="utf-8") as stream:
        return stream.read().splitlines()


def _drawn(lines: list[list[str]], row: int, draw: random.Random) -> str:
    """What one of the two says of a molecule; of another one, one time in ten."""
    return lines[draw.randrange(2)][row if draw.random() < 0.9 else draw.randrange(len(lines[0]))]


def _cut(folder: Path, author: str, captions: list[str]) -> None:
    import pyarrow as pa

    from molmix.core.files import write_table
    from molmix.judges.decompose.backends.rules import RulesSettings
    from molmix.judges.decompose.tables import decompose_tables

    table, out = folder / "captions" / f"{author}.parquet", folder / author / "test.parquet"
    write_table(table, pa.table({"id": list(map(str, range(len(captions)))), "text": captions}))
    settings = RulesSettings(backend="rules").model_dump()
    decompose_tables(captions=[table], outs=[out], units="rules", settings=settings, cache=folder, model=None)


MODEL = {"id": "made", "weights": {"path": "weights", "digest": "0123456789abcdef"}}


def _fill(folder: Path, author: str) -> None:
    """Put made answers for all pairs of a system into the store, instead of forward passes."""
    from molmix.judges.nli.cache import as_values, open_cache
    from molmix.judges.nli.pairs import Pairs

    (folder / "manifest.json").write_text(json.dumps(MODEL))
    keys = Pairs.of(folder / "reference/test.parquet", folder / author / "test.parquet").distinct.keys
    made = np.random.default_rng(0).dirichlet([1, 1, 1], len(keys)).astype(np.float32)
    store = open_cache(
        folder / "store", name="made", model="0123456789abcdef", max_length=256, dtype="float32", labels=None
    )
    missing = store.lookup(keys)[1]
    store.add(keys[missing], as_values(made[missing], np.zeros(missing.sum(), bool)))


def _judge(folder: Path, author: str) -> dict[str, int]:
    from molmix.core.files import read_table, write_table
    from molmix.judges.kinds import score_captions as judge
    from molmix.judges.kinds.atomic import Atomic
    from molmix.judges.nli.inference import predict_tables

    out = folder / "nli" / f"{author}.parquet"
    counts = predict_tables(
        atoms={"test": (folder / "reference/test.parquet", folder / author / "test.parquet")},
        outs={"test": out},
        model=folder / "manifest.json",
        cache=folder / "store",
        dtype="float32",
    )["test"]
    assert counts["computed"] == 0
    scores = judge(Atomic(kind="atomic").model_dump(), read_table(out))
    write_table(folder / "scores" / f"{author}.parquet", scores)
    return counts


def _megabytes() -> float:
    """Peak memory of this process; what `resource` tells counts the parent's, too."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
