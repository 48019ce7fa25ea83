"""Write the conda environments from the lock file: the same pins, split by kind of work. Run by `make docs`."""

from pathlib import Path

DATA = "numpy pandas pyarrow rdkit pydantic PyYAML nltk RapidFuzz scipy tokenizers"
DATA += " tqdm datasets matplotlib snakemake markdown-it-py Pygments"
MODELS = "torch transformers trl peft mergekit accelerate safetensors openai tensorboard"
# What a job that writes by vLLM needs beside it: a merge that is not kept is made in the job that lets it write.
MERGES = "peft mergekit accelerate safetensors"
ENGINES = "openvino onnxruntime onnx"  # of NLI models
KINDS = {
    "data": DATA.split(),
    "models": [*DATA.split(), *MODELS.split()],
    "engines": [*DATA.split(), *MODELS.split(), *ENGINES.split()],
    "vllm": [*DATA.split(), *MERGES.split(), "vllm"],
}
# By hand, over the lock's, which has no engines of NLI models (extras), and cannot hold vLLM: it brings a torch and a
# transformers of its own, and what it is built on (mistral-common) takes no numpy from 2.4 on.
OWN = {
    "engines": {"openvino": "2026.4.1", "onnxruntime": "1.32.0", "onnx": "1.23.2"},
    "vllm": {"vllm": "0.33.0", "numpy": "2.3.5"},
}
HERE = Path(__file__).parent


def environments() -> dict[str, str]:
    """Content of each environment file by its name."""
    lock = (HERE.parent / "requirements.lock").read_text().splitlines()
    pins = dict(line.split("==") for line in lock)
    return {
        f"{kind}.yaml": "\n".join(
            [
                "# Written by envs/split.py from requirements.lock.",
                "channels:",
                "  - conda-forge",
                "dependencies:",
                "  - python=3.11",
                "  - pip",
                "  - pip:",
                *(f"      - {name}=={(pins | OWN.get(kind, {}))[name]}" for name in names),
                "",
            ]
        )
        for kind, names in KINDS.items()
    }


if __name__ == "__main__":
    for name, content in environments().items():
        (HERE / name).write_text(content)
