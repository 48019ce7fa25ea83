"""Config sections of metrics that read files, in a separate module so that checking a config is fast."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from molmix.core.schema import Count, FilePath, Name, Revision, Section


class PropertySettings(Section):
    """L+M-24's property scores."""

    taxonomy: FilePath = Field(description="JSON of categories, groups and property names (L+M-24's nested_props.json)")
    truth: Literal["reference", "molecule"] = Field(
        "reference",
        description="what a caption is to state: what its `reference` states, as published, or all properties of its "
        "`molecule` (data column `properties`)",
    )
    molecules: FilePath | None = Field(
        None, description="file of SMILES, tab, Python set (train_props.txt.gz); read where rows bring no properties"
    )


class Text2MolSettings(Section):
    """Text2Mol similarity of captions and molecules, with the published weights and mol2vec features."""

    weights: FilePath = Field(
        description="state dict of the MLP model: test_outputfinal_weights.320.pt, or safetensors"
    )
    features: FilePath | dict[Name, FilePath] = Field(
        description="mol2vec features: Text2Mol's test.txt, mol2vec's CSV, or a JSONL or Parquet table with a list "
        "column `mol2vec`; one file, or one for each test set (`{id: …, ood: …}`)"
    )
    key: Literal["molecule", "id"] = Field(
        "molecule",
        description="what the features belong to: a SMILES, or the row id of the test set (ChEBI-20's CID). Ids of two "
        "test sets can be equal, so `id` needs a file for each",
    )
    column: str = Field(
        "molecule", description="column of that key; L+M-24's script writes GT_SMI; a .txt has it in front"
    )
    text_model: str = Field(
        "allenai/scibert_scivocab_uncased",
        description="hub id or local folder of the text encoder's config.json and vocab.txt; its weights are not read",
    )
    revision: Revision | None = Field(None, description="commit hash or tag; required for a hub id")
    batch_tokens: Count = Field(16384, description="tokens in a batch of captions")

    def features_of(self, test: str) -> str:
        """Path of the features of a test set's molecules."""
        return self.features if isinstance(self.features, str) else self.features[test]


class Metrics(Section):
    """Caption metrics; without vocabulary and WordNet a simpler, named definition is used."""

    vocabulary: FilePath | None = Field(
        None, description="SciBERT wordpiece vocabulary (vocab.txt) of the published BLEU and METEOR"
    )
    wordnet: FilePath | None = Field(None, description="folder of the WordNet 3.0 database, for METEOR's synonyms")
    properties: PropertySettings | None = Field(None, description="L+M-24's property scores; null for none")
    text2mol: Text2MolSettings | None = Field(None, description="Text2Mol similarity; null for none")
    fcd: bool = Field(
        False, description="Fréchet ChemNet Distance of the answers of `cap2mol` tests; needs `pip install fcd`"
    )

    def options(self) -> dict[str, Any]:
        """Settings that scores depend on (fields of :class:`molmix.metrics.Options`)."""
        named: dict[str, Any] = {"vocabulary": self.vocabulary, "wordnet": self.wordnet}
        if self.properties:
            named |= {"taxonomy": self.properties.taxonomy, "property_truth": self.properties.truth}
        return named | ({"fcd": True} if self.fcd else {})

    def files(self) -> dict[str, str]:
        """Every file or folder that a metric reads, by config key."""
        named = {"vocabulary": self.vocabulary, "wordnet": self.wordnet}
        if self.properties:
            named |= {
                "properties.taxonomy": self.properties.taxonomy,
                "properties.molecules": self.properties.molecules,
            }
        if self.text2mol:
            features = self.text2mol.features
            by_key = (
                {"": features} if isinstance(features, str) else {f".{test}": path for test, path in features.items()}
            )
            named |= {"text2mol.weights": self.text2mol.weights}
            named |= {f"text2mol.features{key}": path for key, path in by_key.items()}
        return {f"metrics.{key}": path for key, path in named.items() if path}
