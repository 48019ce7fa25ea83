"""Decomposition by language models: real ones on this machine and behind a server, and a server with every fault."""

import json
import logging
import os
import re
import shutil
import socket
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from transformers import LlamaConfig, LlamaForCausalLM

import molmix.generation.transformers_engine
from molmix.core.errors import MolmixError
from molmix.core.fingerprint import code_digest
from molmix.judges.decompose import Decomposed, Decomposer, decompose
from molmix.judges.decompose.answers import REASONS, Unusable, read_atoms
from molmix.judges.decompose.backends import rules
from molmix.judges.decompose.backends.openai import OpenAISettings
from molmix.judges.decompose.prompt import PRESETS, conversation, fill
from molmix.judges.decompose.prompt import PROMPT as PROMPT_BY_DEFAULT
from molmix.judges.decompose.text import clean, sentence
from molmix.models.small import make_tokenizer
from tests.forked import ForkedPython

torch.set_num_threads(1)

PROMPT = "Split {caption} Answer:"
THINGS = ["dye", "wax", "gum", "salt"]
# What the tiny model learns by heart: captions, and its answer to each.
LEARNT = {
    f"The molecule is a {one} and a {two}.": [f"The molecule is a {one}.", f"The molecule is a {two}."]
    for one in THINGS
    for two in THINGS
    if one < two
}
TEMPLATE = "{{ bos_token }}{% for message in messages %}user {{ message['content'] }}{% endfor %} model"
KEY, VARIABLE = "sk-made-up-0123456789-secret", "MOLMIX_TEST_KEY"
CAPTION = "The molecule is a dye that impacts gout."
ATOMS = ["The molecule is a dye.", "The molecule impacts gout."]


def settings(**given: Any) -> dict[str, Any]:
    """Settings as the config has them, dumped."""
    return TypeAdapter(Decomposer).validate_python({"prompt": PROMPT, **given}).model_dump()


# ---- settings --------------------------------------------------------------------------------------------------


def test_settings_have_defaults_and_descriptions() -> None:
    plain = TypeAdapter(Decomposer).validate_python({"backend": "rules"})
    assert plain.model_dump() == {"backend": "rules"}
    openai = TypeAdapter(Decomposer).validate_python({"backend": "openai", "base_url": "http://a/v1/", "model": "m"})
    assert openai.base_url == "http://a/v1" and openai.prompt.count("{caption}") == 1
    for name, part in TypeAdapter(Decomposer).json_schema()["$defs"].items():
        assert all("description" in field for key, field in part["properties"].items() if key != "backend"), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "transformers", "id": "m", "prompt": "no slot"},
        {"backend": "transformers", "id": "m", "prompt": "{caption} {caption}"},
        {"backend": "openai", "model": "m", "base_url": "localhost:8000"},
        {"backend": "openai", "model": "m", "base_url": "http://me:secret@host/v1"},
        {"backend": "openai", "model": "m", "base_url": "http://host/v1", "key_variable": KEY},
        {"backend": "openai", "model": "m", "base_url": "http://host/v1", "concurrency": 0},
        {"backend": "spacy"},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Decomposer).validate_python(wrong)


# ---- reading answers -------------------------------------------------------------------------------------------


def answered(text: str, caption: str = CAPTION, finish: str = "stop") -> list[str] | str:
    """Atoms of an answer, or the reason why there are none."""
    try:
        return read_atoms({"text": text, "finish": finish, "prompt_tokens": 1, "completion_tokens": 1}, caption)
    except Unusable as error:
        assert error.reason in REASONS
        return error.reason


GOOD = json.dumps(ATOMS)


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Here are the statements [1]:\n\n{GOOD}\n\nI hope that helps [2].",
        f'{{"statements": {GOOD}}}',
        f'<think>Is it [a dye]? Or ["a wax"]?</think>\n{GOOD}',
        json.dumps([" The molecule is a\tdye ", "The molecule impacts\u0000 gout!", "The molecule is a dye."]),
    ],
)
def test_wrapping_does_not_matter(text: str) -> None:
    assert answered(text) == ATOMS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("<think>The molecule is a dye.</think>", "empty"),
        ("I cannot do that.", "no_list"),
        (GOOD[: len(GOOD) // 2], "no_list"),
        (f"{GOOD}\nor\n{GOOD}", "no_list"),
        ("[" * 100_000, "no_list"),
        ("[]", "no_statements"),
        ('["The molecule is a dye.", 5]', "no_statements"),
        ('["The molecule is a dye.", " "]', "no_statements"),
        ('["The molecule is a dye.", "..."]', "no_statements"),
        ('["The molecule is a wax."]', "foreign"),
        ('["The molecule is not a dye."]', "foreign"),
        ('["The molecule may be a dye."]', "foreign"),
        ('["The molecule impacts 2 kinds of gout."]', "foreign"),
        ('["The molecule is a compound."]', "foreign"),
    ],
)
def test_what_cannot_be_used_has_its_reason(text: str, reason: str) -> None:
    assert answered(text) == reason


def test_the_prompts_own_examples_are_good_answers() -> None:
    examples = re.findall(r"Description: (.+)\nAnswer: (.+)", PROMPT_BY_DEFAULT)
    assert len(examples) == 2
    for caption, answer in examples:
        assert answered(answer, caption) == json.loads(answer)


def test_examples_of_a_prompt_are_turns_of_a_chat() -> None:
    turns = conversation(PROMPT_BY_DEFAULT, "A {b} c.")
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert turns[0]["content"].startswith("Split a description") and "Answer:" not in turns[0]["content"]
    assert json.loads(turns[1]["content"])[0] == "The molecule is a wax."
    assert turns[-1]["content"] == "Description: A {b} c."
    for prompt in (
        PROMPT,
        PRESETS["cross_nli"],
        "Split.\n\nDescription: {caption}",
        "a\n\nDescription: b\n\n{caption}",
    ):
        assert conversation(prompt, CAPTION) == [{"role": "user", "content": fill(prompt, CAPTION)}]


def test_unfinished_answers_are_not_used() -> None:
    assert answered(GOOD, finish="length") == "cut"
    assert answered(GOOD, finish="content_filter") == "refused"
    assert answered("", finish="prompt_too_long") == "prompt_too_long"


@pytest.mark.parametrize(
    ("caption", "atom"),
    [
        ("It has roles as dyes, impacting Gout.", "The molecule has a role as a dye."),
        ("It is isolated from <i>Planta</i> &amp; <b>Flora</b>.", "The molecule is isolated from <i>Planta</i>."),
        ("这种分子是染料和溶剂。", "这种分子是染料。."),
        ("Молекула является красителем и воском.", "Молекула является воском."),
        ("It is 2-(4-chlorophenyl)-H₂O.", "The molecule is 2-(4-chlorophenyl)-H2O."),
        ("The molecule is a compound.", "The molecule is a compound."),
    ],
)
def test_other_forms_and_scripts_of_the_captions_words(caption: str, atom: str) -> None:
    assert answered(json.dumps([atom]), caption) == [sentence(atom)]


@given(st.text() | st.lists(st.sampled_from([*'[]"{},', "dye", " ", "\\", "```"]), max_size=40).map("".join))
def test_any_answer_is_atoms_or_a_reason(text: str) -> None:
    atoms = answered(text)
    assert isinstance(atoms, str) or all(re.search(r"\w.*\.$", atom) for atom in atoms)


# ---- a model on this machine -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """A tiny Llama that has learnt :data:`LEARNT` by heart."""
    torch.manual_seed(0)
    asked = {
        f"user {PROMPT.replace('{caption}', caption)} model": f" {json.dumps(LEARNT[caption])}" for caption in LEARNT
    }
    tokenizer = make_tokenizer(list(asked.items()), {"mol2cap": "{molecule}", "cap2mol": "{caption}"}, 400)
    tokenizer.chat_template = TEMPLATE
    tokenizer.model_max_length = 192
    model: Any = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=48, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, max_position_embeddings=192, bos_token_id=1, pad_token_id=0, eos_token_id=2,
        )
    )  # fmt: skip
    prompts = [tokenizer(prompt)["input_ids"] for prompt in asked]
    rows = [ids + tokenizer(asked[prompt])["input_ids"][1:] + [2] for ids, prompt in zip(prompts, asked, strict=True)]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    labels = ids.masked_fill(ids == 0, -100)
    for row, prompt in zip(labels, prompts, strict=True):
        row[: len(prompt)] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(300):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.005:
            break
    assert loss < 0.01, "the tiny model has not learnt its answers"
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """Prompts that the local model is asked while a test runs."""
    prompts: list[str] = []
    answers = molmix.generation.transformers_engine.TransformersEngine.answers
    monkeypatch.setattr(
        molmix.generation.transformers_engine.TransformersEngine,
        "answers",
        lambda self, batch: prompts.extend(batch) or answers(self, batch),
    )
    return prompts


LOCAL = {"backend": "transformers", "id": "tiny", "max_new_tokens": 60, "batch_tokens": 400}


def locally(captions: list[str], tiny: Path, cache: Path, **more: Any) -> Decomposed:
    return decompose(captions, settings(**LOCAL | more), cache=cache, weights=tiny)


def test_a_local_model_takes_captions_apart(tiny, tmp_path, asked) -> None:
    captions = [*LEARNT, "", "...", *LEARNT]
    done = locally(captions, tiny, tmp_path)
    assert done.atoms == [LEARNT.get(caption, []) for caption in captions]
    assert done.fallback == [False] * len(captions)
    assert len(asked) == len(set(asked)) == len(LEARNT)
    assert all(prompt.startswith("user Split The molecule") and prompt.endswith(" model") for prompt in asked)
    counts = done.counts
    assert [counts[key] for key in ("captions", "distinct", "asked", "cached")] == [
        len(captions),
        len(LEARNT),
        len(LEARNT),
        0,
    ]
    assert counts["prompt_tokens"] > counts["completion_tokens"] / 3 > 0 and counts["fallback"] == 0
    json.dumps(counts, allow_nan=False)


def test_what_is_cached_is_not_asked_again(tiny, tmp_path, asked) -> None:
    captions = list(LEARNT)
    first = locally(captions, tiny, tmp_path)
    asked.clear()
    second = locally([f" {caption}\n" for caption in captions[::-1]], tiny, tmp_path)
    assert not asked and second.atoms == first.atoms[::-1]
    assert second.counts | {"asked": 6, "cached": 0} == first.counts
    locally(captions, tiny, tmp_path, max_new_tokens=61)
    assert asked, "another setting is another answer"


def test_another_model_answers_for_itself(tiny, tmp_path, asked) -> None:
    """And a random one makes nonsense, which is left to `rules`."""
    captions = list(LEARNT)
    locally(captions, tiny, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    for file in tiny.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig.from_pretrained(tiny)).save_pretrained(other)
    asked.clear()
    done = locally(captions, other, tmp_path)
    assert len(asked) == len(captions) and done.fallback == [True] * len(captions)
    assert done.atoms == rules.decompose(captions)
    assert done.counts["fallback"] == len(captions) == sum(done.counts[f"fallback_{reason}"] for reason in REASONS)


def test_a_kill_costs_what_was_under_way(tiny, tmp_path, asked, monkeypatch) -> None:
    captions = list(LEARNT)
    whole = locally(captions, tiny, tmp_path / "whole", batch_tokens=120)
    batches, answers = [], molmix.generation.transformers_engine.TransformersEngine.answers

    def dies(self, batch):
        batches.append(batch)
        if len(batches) == 3:
            raise KeyboardInterrupt
        return answers(self, batch)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(molmix.generation.transformers_engine.TransformersEngine, "answers", dies)
        locally(captions, tiny, tmp_path / "killed", batch_tokens=120)
    (kept,) = (tmp_path / "killed").glob("*.jsonl")
    kept.write_bytes(kept.read_bytes()[:-9])  # and its last line is torn
    asked.clear()
    resumed = locally(captions, tiny, tmp_path / "killed", batch_tokens=120)
    assert (resumed.atoms, resumed.fallback) == (whole.atoms, whole.fallback)
    assert len(asked) == resumed.counts["asked"] == len(captions) - 1 and resumed.counts["cached"] == 1


def test_captions_that_no_model_is_made_for(tiny, tmp_path, caplog) -> None:
    captions = [
        "It is a dye. " * 3_333,
        "A\x00 dye\x07.",
        "这种分子是染料。",
        "<b>dye</b> \ud800",
        "\x00\x1f",
        "{caption} [1]",
    ]
    done = locally(captions, tiny, tmp_path)
    assert [bool(atoms) for atoms in done.atoms] == [True, True, True, True, False, True]
    assert done.fallback == [True, True, True, True, False, True]
    assert "5 of 6 captions were split by `rules` instead: " in caplog.text
    assert done.counts["fallback_prompt_too_long"] >= 1
    assert done == Decomposed(**vars(locally(captions, tiny, tmp_path / "again")))


def test_a_model_without_chat_template_is_asked_plainly(tiny, tmp_path, asked) -> None:
    for file in tiny.iterdir():
        if "chat_template" not in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    locally([CAPTION], tmp_path, tmp_path / "cache")
    assert asked == [PROMPT.replace("{caption}", CAPTION)]


def copied(tiny: Path, folder: Path) -> Path:
    shutil.copytree(tiny, folder)
    return folder


def test_another_chat_template_is_asked_anew(tiny, tmp_path, asked) -> None:
    folder = copied(tiny, tmp_path / "other")
    locally([CAPTION], folder, tmp_path / "cache")
    asked.clear()
    (folder / "chat_template.jinja").write_text(TEMPLATE.replace("user ", "person "))
    locally([CAPTION], folder, tmp_path / "cache")
    assert len(asked) == 1 and asked[0].startswith("person ")


def test_weights_edited_in_place_are_asked_anew(tiny, tmp_path, asked) -> None:
    """Same size, same time: only what is in the file has changed."""
    folder = copied(tiny, tmp_path / "other")
    locally([CAPTION], folder, tmp_path / "cache")
    asked.clear()
    file = folder / "model.safetensors"
    stat, data = file.stat(), bytearray(file.read_bytes())
    data[-1] ^= 1
    with file.open("r+b") as stream:
        stream.write(data)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    locally([CAPTION], folder, tmp_path / "cache")
    assert len(asked) == 1


def test_a_template_with_the_date_asks_the_same_every_day(tiny, tmp_path, asked) -> None:
    folder = copied(tiny, tmp_path / "other")
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%d %b %Y') }} " + TEMPLATE)
    locally([CAPTION], folder, tmp_path / "cache")
    assert asked[0].startswith("26 Jul 2024 ")
    (folder / "chat_template.jinja").write_text("{% set f = '%d' %}{{ strftime_now(f) }} " + TEMPLATE)
    with pytest.raises(MolmixError, match="puts in a date"):
        locally([CAPTION], folder, tmp_path / "cache")


def test_a_model_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(MolmixError, match=r"no-such-folder: holds no config\.json"):
        decompose([CAPTION], settings(**LOCAL | {"id": "no-such-folder"}), cache=tmp_path)


# ---- a model behind a real server ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tiny, tmp_path_factory) -> Iterator[str]:
    """`transformers serve` with the tiny model: its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(tiny), "--device", "cpu"]
    with log.open("w") as stream:
        server = ForkedPython(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=stream,
            stderr=stream,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        for _ in range(3000):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(20)


def behind(base_url: str, **more: Any) -> dict[str, Any]:
    """Settings of the `openai` backend."""
    return settings(
        **{
            "backend": "openai",
            "base_url": base_url,
            "model": "tiny",
            "key_variable": None,
            "timeout": 20,
            "retries": 2,
        }
        | more
    )


@pytest.mark.slow
def test_a_served_model_takes_captions_apart(served, tiny, tmp_path) -> None:
    there = behind(served, model=str(tiny), max_new_tokens=60, prompt_price=2, completion_price=10)
    captions = [*LEARNT, "", *LEARNT]
    done = decompose(captions, there, cache=tmp_path)
    assert done.atoms == [LEARNT.get(caption, []) for caption in captions]
    assert not any(done.fallback)
    assert done.counts["asked"] == len(LEARNT)
    tokens = done.counts["prompt_tokens"], done.counts["completion_tokens"]
    here = locally(captions, tiny, tmp_path)
    # The server counts the beginning of the text that its template and its tokenizer both write.
    assert tokens[1] in (here.counts["completion_tokens"], here.counts["completion_tokens"] - len(LEARNT))
    assert done.counts["cost"] == round((2 * tokens[0] + 10 * tokens[1]) / 1e6, 6) > 0
    cut = decompose(captions, there | {"max_new_tokens": 5}, cache=tmp_path)
    assert all(fell == bool(caption) for fell, caption in zip(cut.fallback, captions, strict=True))
    assert cut.counts["fallback_cut"] == 2 * len(LEARNT)


def test_a_model_that_is_not_served_is_named(served, tmp_path) -> None:
    with pytest.raises(MolmixError, match=r"http://127.*requested 'another'.*\n  Hint: check `model`"):
        decompose([CAPTION], behind(served, model="another"), cache=tmp_path)


# ---- a server with every fault ---------------------------------------------------------------------------------

Reply = tuple[int, dict[str, Any] | str, dict[str, str]]


class Faulty:
    """A server on this machine that answers as a test says, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.reply: Callable[[str, int], Reply] = lambda caption, time: good(json.dumps(ATOMS))
        self.under_way = self.most = 0
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler) -> None:
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                caption = body["messages"][0]["content"].removeprefix("Split ").removesuffix(" Answer:")
                with lock:
                    self.under_way += 1
                    self.most = max(self.most, self.under_way)
                    self.asked.append(body)
                    self.keys.add(handler.headers["Authorization"])
                    times = sum(other["messages"] == body["messages"] for other in self.asked)
                status, reply, headers = self.reply(caption, times)
                with lock:
                    self.under_way -= 1
                content = (reply if isinstance(reply, str) else json.dumps(reply)).encode()
                handler.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    handler.send_header(name, value)
                handler.send_header("Content-Length", str(len(content)))
                handler.end_headers()
                handler.wfile.write(content)

            def log_message(handler, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *args: Any) -> None:
                """A client that has hung up is part of the tests."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


def good(text: str | None, finish: str = "stop", **usage: int) -> Reply:
    """A chat completion with this text."""
    message = {"role": "assistant", "content": text}
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    usage = usage or {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
    body = {"id": "1", "object": "chat.completion", "created": 1, "model": "tiny", "choices": choices, "usage": usage}
    return 200, body, {}


def bad(status: int, message: str, **headers: str) -> Reply:
    """An error as such servers word it."""
    return status, {"error": {"message": message, "type": "error", "code": None}}, {"retry-after-ms": "5", **headers}


@pytest.fixture
def faulty() -> Iterator[Faulty]:
    server = Faulty()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_requests_say_no_more_than_every_server_knows(faulty, tmp_path) -> None:
    done = decompose([CAPTION], behind(faulty.url, max_new_tokens=77, prompt_price=1.5), cache=tmp_path)
    assert done.atoms == [ATOMS]
    content = PROMPT.replace("{caption}", CAPTION)
    assert faulty.asked == [
        {"model": "tiny", "messages": [{"role": "user", "content": content}], "temperature": 0, "max_tokens": 77}
    ]
    assert done.counts["cost"] == 0.00015


def test_many_at_a_time_but_no_more_than_allowed(faulty, tmp_path) -> None:
    captions = [f"The molecule is dye {number}." for number in range(60)]
    faulty.reply = lambda caption, times: time.sleep(0.02) or good(json.dumps([caption]))
    done = decompose(captions, behind(faulty.url, concurrency=5), cache=tmp_path)
    assert done.atoms == [[caption] for caption in captions]
    assert faulty.most == 5 and len(faulty.asked) == 60


def test_unusable_answers_are_left_to_rules_and_counted(faulty, tmp_path) -> None:
    replies = {
        "It is a dye 1.": good(None),
        "It is a dye 2.": good('["The molecule is a dye'),
        "It is a dye 3.": good('["The molecule is a wax."]'),
        "It is a dye 4.": good('["The molecule is a dye 4."]', "length"),
        "It is a dye 5.": good("", "content_filter"),
        "It is a dye 6.": bad(400, "This model's maximum context length is 9 tokens."),
        "It is a dye 7.": good("[]"),
        "It is a dye 8.": good('["The molecule is a dye 8."]'),
    }
    faulty.reply = lambda caption, times: replies[caption]
    captions = [*replies, "It is a dye 1."]
    done = decompose(captions, behind(faulty.url), cache=tmp_path)
    assert done.atoms == rules.decompose(captions)
    assert done.fallback == [True] * 7 + [False, True]
    counts = {reason: done.counts[f"fallback_{reason}"] for reason in REASONS}
    assert counts == dict.fromkeys(REASONS, 1) | {"empty": 2} and done.counts["fallback"] == 8
    again = decompose(captions, behind(faulty.url), cache=tmp_path)
    assert again.atoms == done.atoms
    twice = [body for body in faulty.asked if faulty.asked.count(body) > 1]
    assert len(faulty.asked) == 9 and "dye 6" in str(twice[0]), "only the server's context can change"


def test_a_server_that_answers_nothing_is_refused(faulty, tmp_path) -> None:
    captions = ["It is a dye 1.", "It is a dye 2."]
    faulty.reply = lambda caption, times: bad(400, "This model's maximum context length is 9 tokens.")
    with pytest.raises(MolmixError, match=r"none of 2 captions .*context"):
        decompose(captions, behind(faulty.url), cache=tmp_path)
    faulty.reply = lambda caption, times: good(json.dumps([caption]))
    assert decompose(captions, behind(faulty.url), cache=tmp_path).atoms == [[caption] for caption in captions]


@pytest.mark.parametrize("usage", [{}, None, [], {"prompt_tokens": "many"}, {"prompt_tokens": -1}])
def test_token_counts_that_are_none_do_no_harm(faulty, tmp_path, usage) -> None:
    status, body, headers = good(json.dumps(ATOMS))
    faulty.reply = lambda caption, times: (status, body | {"usage": usage}, headers)
    for _ in range(2):
        done = decompose([CAPTION], behind(faulty.url, prompt_price=1.0), cache=tmp_path)
        assert done.atoms == [ATOMS] and done.counts["prompt_tokens"] == 0 and done.counts["cost"] == 0
    assert len(faulty.asked) == 1


def test_the_key_of_answers_holds_the_code_that_asks(tmp_path) -> None:
    code = code_digest("molmix.judges.decompose.backends.openai", "molmix.judges.decompose.prompt")
    settings = OpenAISettings(backend="openai", base_url="http://localhost:1/v1", model="tiny")
    fingerprint = settings.asker(tmp_path, None).fingerprint
    assert (fingerprint["code"], fingerprint["client"]) == (code, code_digest("molmix.models.endpoint"))


def test_content_in_parts_is_one_text(faulty, tmp_path) -> None:
    first, second = json.dumps(ATOMS)[:20], json.dumps(ATOMS)[20:]
    parts = [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": first}, {"type": "text", "text": second}]
    faulty.reply = lambda caption, times: good(parts)
    assert decompose([CAPTION], behind(faulty.url), cache=tmp_path).atoms == [ATOMS]


def test_a_redirect_is_not_followed(faulty, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    other = Faulty()
    try:
        for status in (301, 302, 307, 308):
            headers = {"Location": f"{other.url}/chat/completions?key={KEY}"}
            faulty.reply = lambda caption, times, status=status, headers=headers: (status, {}, headers)
            with pytest.raises(
                MolmixError, match=r"redirects to another address .*key=\[key\].*\n  Hint: set `base_url`"
            ):
                decompose([CAPTION], behind(faulty.url, key_variable=VARIABLE), cache=tmp_path)
        assert not other.asked
    finally:
        other.server.shutdown()
        other.server.server_close()


@pytest.mark.parametrize("status", [200, 400])
def test_a_body_without_end_is_not_read(faulty, tmp_path, monkeypatch, status) -> None:
    monkeypatch.setattr("molmix.models.endpoint.MOST_BYTES", 2**20)
    faulty.reply = lambda caption, times: (status, "x" * 2**22, {})
    with pytest.raises(MolmixError, match="answers with more than 1 MB"):
        decompose([CAPTION], behind(faulty.url), cache=tmp_path)


@pytest.mark.parametrize("spell", [str, lambda key: "".join(f"\\u{ord(character):04X}" for character in key)])
def test_a_key_in_any_field_is_not_kept(faulty, tmp_path, monkeypatch, spell) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    faulty.reply = lambda caption, times: good(f'["{spell(KEY)}"]', finish=KEY)
    decompose([CAPTION], behind(faulty.url, key_variable=VARIABLE), cache=tmp_path)
    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"[key]" in kept and KEY.encode() not in kept
    assert b"u0073" not in kept.lower() and b"u006b" not in kept.lower()


def test_failures_that_pass_are_retried_and_counted(faulty, tmp_path) -> None:
    first = {"It is a dye 1.": 500, "It is a dye 2.": 429, "It is a dye 3.": 503}
    faulty.reply = lambda caption, times: bad(first[caption], "busy") if times < 3 else good(json.dumps([caption]))
    done = decompose(list(first), behind(faulty.url), cache=tmp_path)
    assert done.counts["retries"] == 6 and not any(done.fallback)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (
            bad(401, f"Incorrect API key: {KEY}", **{"X-Echo": KEY}),
            rf"refuses the key .*\[key\].*\n  Hint:.*{VARIABLE}",
        ),
        (bad(403, f"{' ' * 400}{'x' * 270}{KEY}"), "refuses the key"),
        (bad(404, "no such model"), r"has no model 'tiny'.*no such model.*\n  Hint: check `model`"),
        (bad(400, "unknown parameter: max_tokens"), r"refuses the request .*unknown parameter: max_tokens"),
        (bad(500, f"{KEY} broke it"), r"fails, 3 times in a row \(HTTP 500: \[key\] broke it\)"),
        (bad(429, "no quota"), r"accepts no more requests, 3 times in a row"),
        ((200, "<html>Welcome!</html>", {"Content-Type": "text/html"}), "something other than chat completions"),
        ((200, '{"choices": [', {}), "something other than chat completions"),
        ((200, {"choices": []}, {}), "something other than chat completions"),
        ((200, {"choices": {}}, {}), "something other than chat completions"),
        ((200, {"choices": [{"finish_reason": "stop"}]}, {}), "something other than chat completions"),
        ((200, {"choices": [{"message": None}]}, {}), "something other than chat completions"),
        ((200, {"choices": [{"message": {"content": 5}}]}, {}), "something other than chat completions"),
        ((200, "[" * 100_000, {}), "something other than chat completions"),
        ((200, "{}", {"Content-Length": "999", "Connection": "close"}), "cannot be reached, or hangs up, 3 times"),
    ],
)
def test_failures_that_stay_are_one_message_without_the_key(
    faulty, tmp_path, monkeypatch, caplog, reply: Reply, message: str
) -> None:
    monkeypatch.setenv(VARIABLE, KEY)
    caplog.set_level(logging.DEBUG)
    faulty.reply = lambda caption, times: reply
    there = behind(faulty.url, key_variable=VARIABLE, timeout=3)
    with pytest.raises(MolmixError, match=message) as raised:
        decompose([CAPTION], there, cache=tmp_path)
    assert str(raised.value).startswith(faulty.url) and faulty.keys == {f"Bearer {KEY}"}
    assert KEY not in caplog.text + "".join(traceback.format_exception(raised.value))


def test_a_key_that_a_server_gives_away_is_not_kept(faulty, tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}\n")
    caplog.set_level(logging.DEBUG)
    faulty.reply = lambda caption, times: good(json.dumps([*ATOMS, f"The molecule is {KEY}."]))
    done = decompose([CAPTION], behind(faulty.url, key_variable=VARIABLE), cache=tmp_path)
    assert done.fallback == [True] and faulty.keys == {f"Bearer {KEY}"}
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"[key]" in files and KEY.encode() not in files and KEY not in caplog.text + str(done)


@pytest.mark.parametrize("value", [None, "", " ", "two words", "schlüssel"])
def test_without_a_key_nothing_is_asked(faulty, tmp_path, monkeypatch, value) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(MolmixError, match=f"the environment variable {VARIABLE} holds no key"):
        decompose([CAPTION], behind(faulty.url, key_variable=VARIABLE), cache=tmp_path)
    assert not faulty.asked


def test_a_stall_is_waited_for_retried_and_named(faulty, tmp_path) -> None:
    faulty.reply = lambda caption, times: time.sleep(0.6) or good(json.dumps(ATOMS))
    with pytest.raises(MolmixError, match=r"gave no answer within 0\.2 s, 2 times in a row"):
        decompose([CAPTION], behind(faulty.url, timeout=0.2, retries=1), cache=tmp_path)
    assert len(faulty.asked) == 2
    faulty.reply = lambda caption, times: time.sleep(0.6 * (times < 4)) or good(json.dumps(ATOMS))
    done = decompose([CAPTION], behind(faulty.url, timeout=0.2, retries=1), cache=tmp_path)
    assert done.atoms == [ATOMS] and done.counts["retries"] == 1


def test_a_server_that_is_not_there_is_named(tmp_path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(MolmixError, match=r"cannot be reached.*\n  Hint: start the server or correct `base_url`"):
        decompose([CAPTION], behind(url, retries=1), cache=tmp_path)


def test_answers_before_a_failure_are_kept(faulty, tmp_path) -> None:
    captions = [f"The molecule is dye {number}." for number in range(20)]
    faulty.reply = lambda caption, times: bad(400, "no") if len(faulty.asked) > 12 else good(json.dumps([caption]))
    there = behind(faulty.url, concurrency=1)
    with pytest.raises(MolmixError, match="refuses the request"):
        decompose(captions, there, cache=tmp_path)
    (kept,) = tmp_path.glob("*.jsonl")
    kept.write_bytes(kept.read_bytes()[:-5] + b"\xff\xfe")
    faulty.asked.clear()
    faulty.reply = lambda caption, times: good(json.dumps([caption]))
    done = decompose(captions, there | {"concurrency": 7, "timeout": 5.0}, cache=tmp_path)
    assert len(faulty.asked) == done.counts["asked"] == 9 and done.counts["cached"] == 11
    assert done.atoms == [[caption] for caption in captions]


def test_odd_captions_reach_a_server_whole(faulty, tmp_path) -> None:
    long = " ".join(f"word{number}" for number in range(10_000)) + "."
    captions = [
        long,
        "A \x00dye\x07.",
        "这种分子是染料。",
        "Молекула является красителем.",
        "<b>dye</b> &amp; {caption}",
        "\ud800x",
    ]
    faulty.reply = lambda caption, times: good(json.dumps([caption, "\ud800", caption][:: 2 - (caption == "x")]))
    done = decompose([*captions, "\x00", ""], behind(faulty.url, concurrency=1), cache=tmp_path)
    cleaned = [clean(caption) for caption in captions]
    sent = [body["messages"][0]["content"] for body in faulty.asked]
    assert sent == [PROMPT.replace("{caption}", caption) for caption in sorted(cleaned)]
    assert done.atoms == [[sentence(caption)] for caption in cleaned] + [[], []]
    assert done.fallback == [False] * 5 + [True, False, False]
