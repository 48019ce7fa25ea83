"""Write the conda environments from the lock file: the same pins, split by kind of work. Run by `make docs`."""

from pathlib import Path

DATA = "numpy pandas pyarrow rdkit pydantic PyYAML nltk rouge_score RapidFuzz scipy tokenizers"
DATA += " tqdm datasets matplotlib snakemake markdown-it-py Pygments"
MODELS = "torch transformers trl peft mergekit accelerate safetensors openai tensorboard"
KINDS = {"data": DATA.split(), "models": [*DATA.split(), *MODELS.split()]}
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
                *(f"      - {name}=={pins[name]}" for name in names),
                "",
            ]
        )
        for kind, names in KINDS.items()
    }


if __name__ == "__main__":
    for name, content in environments().items():
        (HERE / name).write_text(content)
