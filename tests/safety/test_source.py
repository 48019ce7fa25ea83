"""What the code never does, looked up in the code itself."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow").rglob("*.py")])
RULES = sorted([ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")])

# Calls that run text or data as code, hand text to a shell, or unpack archives.
FORBIDDEN = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "pickle.load", "pickle.loads"}
FORBIDDEN |= {"pickle.Unpickler", "joblib.load", "pd.read_pickle", "pandas.read_pickle", "dill.load", "marshal.loads"}
FORBIDDEN |= {"shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "np.load", "numpy.load"}
FORBIDDEN |= {"shutil.unpack_archive", "tarfile.open", "zipfile.ZipFile", "torch.hub.load", "torch.package"}


@functools.cache
def calls(path: Path) -> list[tuple[str, ast.Call, str]]:
    """Every call of a file: its dotted name, its node, and where it is."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node, f"{path.relative_to(ROOT)}:{node.lineno}") for node in nodes]


def keyword(call: ast.Call, name: str) -> object:
    """The literal that a call passes by name; None where it passes none."""
    return next((getattr(word.value, "value", None) for word in call.keywords if word.arg == name), None)


def found(name: str) -> list[tuple[ast.Call, str]]:
    """All calls of a function, by the end of its dotted name."""
    return [
        (call, where)
        for path in FILES
        for full, call, where in calls(path)
        if full == name or full.endswith(f".{name.lstrip('.')}")
    ]


def test_nothing_runs_data_as_code() -> None:
    for path in FILES:
        for name, _, where in calls(path):
            assert name not in FORBIDDEN, f"{where}: {name}"


def test_nothing_reaches_a_shell() -> None:
    """Names, ids and captions cannot: no rule has a shell command, and no process is started through a shell."""
    for path in FILES:
        for name, call, where in calls(path):
            assert keyword(call, "shell") in (None, False), where
            if name.startswith("subprocess."):
                assert call.args and not isinstance(call.args[0], ast.JoinedStr | ast.Constant | ast.BinOp), where
    for path in RULES:
        text = path.read_text(encoding="utf-8")
        assert not any(line.strip().startswith(("shell:", "shell(", "run:")) for line in text.splitlines()), path


def test_torch_load_reads_weights_only() -> None:
    loads = found("torch.load")
    assert len(loads) >= 2
    for call, where in loads:
        assert keyword(call, "weights_only") is True, where


def test_models_are_loaded_from_safetensors_and_run_no_code_of_their_own() -> None:
    loads = found(".from_pretrained")
    assert len(loads) >= 8
    for call, where in loads:
        owner = ast.unparse(call.func).removesuffix(".from_pretrained")
        if owner.startswith("Auto") or owner == "auto":  # these take classes from a model's folder, if one lets them
            assert keyword(call, "trust_remote_code") is False, where
        if owner == "auto" or owner.startswith("AutoModel"):
            assert keyword(call, "use_safetensors") is True, where


def test_nobody_trusts_remote_code() -> None:
    for path in FILES:
        for _, call, where in calls(path):
            assert keyword(call, "trust_remote_code") is not True, where


@pytest.mark.parametrize("name", ["HF_TOKEN", "OPENAI_API_KEY", "HUGGING_FACE_HUB_TOKEN"])
def test_tokens_are_named_in_messages_and_defaults_alone(name: str) -> None:
    """No code of ours takes a token out of the environment but what sends it (`key_variable`, `push`)."""
    for path in FILES:
        if (path.name, name) == ("upload.py", "HF_TOKEN"):
            continue
        for full, call, where in calls(path):
            if "environ" in full or full.endswith("getenv"):
                assert not any(isinstance(part, ast.Constant) and part.value == name for part in call.args), where
