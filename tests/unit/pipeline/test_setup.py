"""What is checked when a run starts: packages and keys that its jobs need, where they run in this environment."""

import copy
import re
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

import pytest

from molmix.config import documentation, loading
from molmix.core.errors import MolmixError
from molmix.pipeline import model_table
from molmix.pipeline.products import Products
from molmix.pipeline.setup import check_environment

SERVER = {"base_url": "http://localhost:1/v1", "model": "m", "key_variable": "NO_SUCH_KEY"}
INSTRUCT = {"backend": "vllm", "id": "a/b", "revision": "v1"}

# A package, sections of a study, a job with its wildcards, and the message.
LACKING: dict[str, tuple[str, dict[str, Any], tuple[str, dict[str, str]], str]] = {
    "NLI engine": (
        "openvino",
        {"nli": {"embedded": {"kind": "made", "engine": "openvino"}}},
        ("nli", {"judge": "atomic", "author": "agnostic"}),
        "nli.embedded.engine: 'openvino' is asked for, and openvino is not installed here",
    ),
    "NLI engine of a training": (
        "onnx",
        {
            "nli": {"embedded": {"kind": "made", "engine": "onnx"}},
            "align": {"own": {"method": "grpo", "starts": ["agnostic"], "reward": {"atomic_f1": 1}}},
        },
        ("align", {"model": "agnostic.own"}),
        "nli.embedded.engine: 'onnx' is asked for, and onnx",
    ),
    "vLLM": (
        "vllm",
        {"generation": {"engine": "vllm"}},
        ("generate", {"model": "agnostic"}),
        "generation.engine: 'vllm' is asked for, and vllm is not installed here",
    ),
    "vLLM of a decomposer": (
        "vllm",
        {"decomposers": {"rules": {"backend": "rules"}, "own": INSTRUCT}},
        ("decompose", {"units": "own", "author": "agnostic"}),
        "decomposers.own.backend: 'vllm' is asked for, and vllm is not installed here",
    ),
    "4 bits": (
        "bitsandbytes",
        {"align": {"own": {"method": "sft", "starts": ["agnostic"], "quantize": True}}},
        ("align", {"model": "agnostic.own"}),
        "align.own.quantize: the package bitsandbytes is not installed",
    ),
}
KEYS: dict[str, tuple[dict[str, Any], tuple[str, dict[str, str]], str]] = {
    "captioner": (
        {"initial": documentation.DEMO["initial"] | {"gpt": {"kind": "endpoint"} | SERVER}},
        ("ask_endpoint", {"model": "gpt"}),
        "initial.gpt.key_variable",
    ),
    "decomposer": (
        {"decomposers": {"rules": {"backend": "rules"}, "own": {"backend": "openai"} | SERVER}},
        ("decompose", {"units": "own", "author": "agnostic"}),
        "decomposers.own.key_variable",
    ),
    "judge": (
        {"judges": {"atomic": {"kind": "atomic"}, "own": {"kind": "llm"} | SERVER}},
        ("verdicts", {"judge": "own", "author": "agnostic"}),
        "judges.own.key_variable",
    ),
}


def start(changes: dict[str, Any], *jobs: tuple[str, dict[str, str]], **workflow: Any) -> None:
    """Start a run of some jobs: rule and wildcards of each."""
    content = copy.deepcopy(documentation.DEMO) | {"universal": {}, "merge": {}, "align": {}} | changes
    study = loading.parse(content)
    listed = [SimpleNamespace(rule=SimpleNamespace(name=rule), wildcards_dict=wildcards) for rule, wildcards in jobs]
    here = {
        "local_exec": True,
        "touch": False,
        "deployment_settings": SimpleNamespace(deployment_method=set()),
        "dag": SimpleNamespace(needrun_jobs=lambda: listed),
    }
    products = Products(study, model_table.build(study))
    check_environment(study, products, SimpleNamespace(**here | workflow))


@pytest.mark.parametrize(("package", "changes", "job", "message"), LACKING.values(), ids=LACKING)
def test_a_missing_package_stops_a_run_whose_jobs_need_it_here(package, changes, job, message) -> None:
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(MolmixError, match=re.escape(message)):
        start(changes, ("corpus", {}), job)
    start(changes, ("corpus", {}), ("score", {"model": "agnostic"}), ("decompose", {"units": "rules", "author": "s"}))
    start(changes, job, local_exec=False)
    start(changes, job, deployment_settings=SimpleNamespace(deployment_method={"conda"}))


@pytest.mark.parametrize(("changes", "job", "key"), KEYS.values(), ids=KEYS)
def test_a_missing_key_of_a_server_stops_a_run_that_asks_it(changes, job, key, monkeypatch) -> None:
    for where in ({}, {"deployment_settings": SimpleNamespace(deployment_method={"conda"})}):
        with pytest.raises(MolmixError, match=f"{key}: the environment variable NO_SUCH_KEY holds no key"):
            start(changes, job, **where)
    start(changes, ("corpus", {}))
    start(changes, job, local_exec=False)
    monkeypatch.setenv("NO_SUCH_KEY", "any")
    start(changes, job)
