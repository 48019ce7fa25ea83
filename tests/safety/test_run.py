"""A whole run with planted tokens, under a shell that lets everybody write, on ids and captions that try to get out."""

import base64
import json
import os
import re
import stat
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from molmix.core.files import read_table
from tests.graph.conftest import snakemake  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow

TOKENS = {name: f"planted-{name.lower()}-8f3a" for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OPENAI_API_KEY")}
TOKENS |= {"WANDB_API_KEY": "planted-wandb-8f3a", "AWS_SECRET_ACCESS_KEY": "planted-aws-8f3a"}

IDS = ["../../pwned", "$(touch pwned)", "`touch pwned`", "; touch pwned", "a\nb", "| touch pwned", "%(x)s {x}", "-rf"]
CAPTIONS = [
    "The molecule is a dye; $(touch pwned) `touch pwned`",
    "\x1b[2J\x1b]0;title\x07The molecule is a gas.",
    "'; touch pwned; '",
    '"; import os; os.system("touch pwned")',
    "{wildcards.model} {params} %s",
    "The molecule is a wax.\r\n\x08\x08 It is not a dye.",
    "../../pwned",
    "<script>document.title='pwned'</script>",
]


class Echo(BaseHTTPRequestHandler):
    """A server that speaks OpenAI's chat completions, and says every header it was sent, key and all."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        caption = body["messages"][0]["content"].partition("Caption: ")[2]
        text = json.dumps([f"{caption} {self.headers['Authorization']}"])
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        said = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        data = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.server.keys.add(self.headers["Authorization"])  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Nothing: the test looks at what the run says."""


@pytest.fixture(scope="module")
def done(tmp_path_factory, snakemake) -> Iterator[tuple[Path, str]]:  # noqa: F811
    """The folder of the run, and all that it printed."""
    outside = tmp_path_factory.mktemp("outside")
    folder = outside / "a/b"
    folder.mkdir(parents=True)
    rows = [{"molecule": "C" * (n + 1), "caption": text, "id": IDS[n]} for n, text in enumerate(CAPTIONS)]
    (folder / "refs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.keys = set()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    columns = {"molecule": "molecule", "caption": "caption", "id": "id"}
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    study = {
        "run": "safe",
        "data": {"tests": {"one": {"source": {"kind": "file", "path": "refs.jsonl", "columns": columns}}}},
        "systems": [{"name": "same", "predictions": {"one": {"path": "refs.jsonl", "id": "id"}}}],
        "decomposers": {"llm": {"backend": "openai", "base_url": url, "model": "m", "prompt": "Caption: {caption}"}},
        "nli": {"embedded": {"kind": "made", "pairs": 1000, "epochs": 0.2, "min_accuracy": 0.0}},
        "judges": {"atomic": {"kind": "atomic", "decomposer": "llm"}},
        "statistics": {"resamples": 100},
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in TOKENS.items():
            patch.setenv(name, value)
        mask = os.umask(0)
        try:
            run = snakemake(folder, "all", "report", "explorer", study=study)
        finally:
            os.umask(mask)
            server.shutdown()
    assert run.returncode == 0, run.stdout
    assert server.keys == {f"Bearer {TOKENS['OPENAI_API_KEY']}"}  # type: ignore[attr-defined]
    yield folder, run.stdout


def written(folder: Path) -> list[Path]:
    """Every file below a folder, Snakemake's own too."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_no_token_is_written(done: tuple[Path, str]) -> None:
    folder, said = done
    assert len(written(folder)) > 30
    for name, token in TOKENS.items():
        assert token not in said, name
        for path in written(folder):
            assert token.encode() not in path.read_bytes(), f"{name} in {path}"
    for path in folder.rglob("*.html"):  # pages hold others, encoded
        inside = [base64.b64decode(text + b"==") for text in re.findall(rb"base64,([\w+/]+)", path.read_bytes())]
        assert not any(b"planted-" in part for part in inside), path
    for path in (folder / "results").rglob("*.parquet"):  # compressed: looked through as text too
        assert "planted-" not in json.dumps(read_table(path).to_pylist(), default=str), path


def test_nothing_is_writable_by_everybody(done: tuple[Path, str]) -> None:
    folder, _ = done
    for root in ("results", "logs", ".snakemake"):
        for path in [folder / root, *(folder / root).rglob("*")]:
            assert path.is_symlink() or not path.stat().st_mode & stat.S_IWOTH, path


def test_nothing_got_out(done: tuple[Path, str]) -> None:
    folder, said = done
    assert not list(folder.parents[1].rglob("pwned"))
    assert {path.name for path in folder.iterdir()} == {"refs.jsonl", "study.yaml", "results", "logs", ".snakemake"}
    assert {path.name for path in folder.parents[1].iterdir()} == {"a"}
    assert "\x1b]0;" not in said
    for path in (folder / "logs").rglob("*.log"):
        assert "\x1b]0;" not in path.read_text(), path


def test_ids_and_captions_come_through(done: tuple[Path, str]) -> None:
    folder, _ = done
    scores = read_table(folder / "results/safe/scores/same/one.parquet").to_pylist()
    assert [row["id"] for row in scores] == IDS
    assert [row["text"] for row in scores] == CAPTIONS
