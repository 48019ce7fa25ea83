"""Few-shot prompts: which training molecules become examples, and how many fit."""

from pathlib import Path
from typing import Any

import pytest

from molmix.core.errors import MolmixError
from molmix.core.files import write_table
from molmix.data.settings import Examples, Prompts
from molmix.generation.few_shot import TURN, FewShot, fits_context, turns_of
from molmix.models.manifests import write_manifest
from molmix.models.small import make_tokenizer

POOL = [
    ("CCO", "an alcohol"),
    ("CCCO", "a longer alcohol"),
    ("CCO", "the alcohol of wine"),
    ("c1ccccc1", "a ring"),
    ("Cc1ccccc1", "a ring with a methyl group"),
    ("CC(=O)O", "an acid"),
]
TEMPLATES = Prompts().model_dump()


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    write_table(tmp_path / "pool.parquet", [{"molecule": smiles, "caption": text} for smiles, text in POOL])
    return tmp_path / "pool.parquet"


def asked(pool: Path, molecules: list[str], fits: Any = lambda text: True, seed: int = 1, **settings: Any) -> FewShot:
    templates = TEMPLATES | {"examples": Examples(**settings).model_dump()}
    few_shot = FewShot(pool, templates, seed, fits)
    questions = [f"Molecule: {molecule}\nCaption:" for molecule in molecules]
    few_shot.made = few_shot.prompts("id", "mol2cap", molecules, molecules, questions)  # type: ignore[attr-defined]
    return few_shot


def test_the_nearest_molecules_come_first_but_never_the_molecule_itself(pool: Path) -> None:
    done = asked(pool, ["CCO", "CCc1ccccc1"], number=2)
    # Tanimoto similarities to CCO: CCCO .5, CC(=O)O .3; to ethylbenzene: toluene .5, benzene .27. The nearest is last.
    assert done.made == [
        "Molecule: CC(=O)O\nCaption: an acid\n\nMolecule: CCCO\nCaption: a longer alcohol\n\nMolecule: CCO\nCaption:",
        "Molecule: c1ccccc1\nCaption: a ring\n\nMolecule: Cc1ccccc1\nCaption: a ring with a methyl group\n\n"
        "Molecule: CCc1ccccc1\nCaption:",
    ]
    assert done.counts == {"id": {"examples": 4, "shortened": 0}}


def test_similarity_is_that_of_rdkit(pool: Path) -> None:
    from rdkit import Chem, DataStructs
    from rdkit.Chem import rdFingerprintGenerator

    morgan = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    bits = {smiles: morgan.GetFingerprint(Chem.MolFromSmiles(smiles)) for smiles, _ in POOL}
    own = morgan.GetFingerprint(Chem.MolFromSmiles("CCCCO"))
    best = max(bits, key=lambda smiles: DataStructs.TanimotoSimilarity(own, bits[smiles]))
    assert asked(pool, ["CCCCO"], number=1).made[0].startswith(f"Molecule: {best}\n")


def test_the_nearest_captions_are_those_of_bm25(pool: Path) -> None:
    few_shot = FewShot(pool, TEMPLATES | {"examples": Examples(number=2).model_dump()}, 1, lambda text: True)
    caption = "A ring with an alcohol"
    (text,) = few_shot.prompts("back", "cap2mol", ["c1ccccc1"], [caption], [f"Caption: {caption}\nMolecule:"])
    # Words in common: "a", "ring", "with" (toluene); "an", "alcohol" (ethanol). Benzene itself is left out.
    assert text == (
        "Caption: an alcohol\nMolecule: CCO\n\nCaption: a ring with a methyl group\nMolecule: Cc1ccccc1\n\n"
        "Caption: A ring with an alcohol\nMolecule:"
    )


def test_random_examples_depend_on_the_seed_and_the_molecule_alone(pool: Path) -> None:
    settings: dict[str, Any] = {"number": 3, "choose": "random"}
    one, two = asked(pool, ["CCO", "CCCO"], **settings), asked(pool, ["CCCO", "CCO"], **settings)
    assert one.made == two.made[::-1]
    assert all("Molecule: CCO\n" not in text.removesuffix("Molecule: CCO\nCaption:") for text in one.made[:1])
    assert one.made != asked(pool, ["CCO", "CCCO"], seed=2, **settings).made


def test_a_molecule_that_cannot_be_read_is_asked_about_too(pool: Path) -> None:
    assert asked(pool, ["no molecule"], number=1).made[0].count("Molecule: ") == 2


def test_too_few_training_molecules(pool: Path) -> None:
    with pytest.raises(MolmixError, match="5 examples are asked for, and training has 4 other molecules"):
        asked(pool, ["CCO"], number=5)


def test_the_least_similar_examples_are_left_out_where_not_all_fit(pool: Path, tmp_path: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    tokenizer = make_tokenizer([(smiles, text) for smiles, text in POOL], TEMPLATES, 300)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=48, **shape)
    LlamaForCausalLM(config).save_pretrained(tmp_path / "m/weights")
    tokenizer.save_pretrained(tmp_path / "m/weights")
    manifest = tmp_path / "m/manifest.json"
    write_manifest(manifest, {"id": "m", "kind": "initial", "parents": []}, tmp_path / "m/weights")
    fits = fits_context(manifest, {"max_new_tokens": 8})
    done = asked(pool, ["CCO", "CCCCCO"], fits=fits, number=4)
    for text in done.made:
        assert len(tokenizer(text)["input_ids"]) + 8 <= 48
    shown = sum(text.count("Molecule: ") - 1 for text in done.made)
    assert done.counts == {"id": {"examples": shown, "shortened": 2}} and 0 < shown < 8
    assert "CCCO\nCaption: a longer alcohol\n\nMolecule: CCO\n" in done.made[0]  # the nearest one stays


def test_in_a_chat_template_each_example_is_a_turn_of_the_user_and_one_of_the_assistant(pool: Path) -> None:
    templates = TEMPLATES | {"template": "chat", "examples": Examples(number=2).model_dump()}
    few_shot = FewShot(pool, templates, 1, lambda text: True)
    (prompt,) = few_shot.prompts("id", "mol2cap", ["CCO"], ["CCO"], ["Molecule: CCO\nCaption:"])
    assert turns_of(prompt) == [
        "Molecule: CC(=O)O\nCaption:",
        "an acid",
        "Molecule: CCCO\nCaption:",
        "a longer alcohol",
        "Molecule: CCO\nCaption:",
    ]
    # What stands in a text ends no turn.
    (prompt,) = few_shot.prompts("id", "mol2cap", ["CCO"], ["CCO"], [f"Molecule: CCO{TURN}an answer"])
    assert len(turns_of(prompt)) == 5
