"""What the docs show and quote is what the code takes and says; their links lead somewhere."""

import ast
import copy
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from molmix.config import loading
from molmix.core.errors import MolmixError
from molmix.pipeline import model_table
from tests.docs.snippets import PAGES, ROOT, Snippet, snippets
from tests.graph.conftest import MICRO

# The page's own code defines what its configs name. tests/graph/test_extending.py and test_commands.py run them.
OWN_CODE = (ROOT / "docs/extending.md", ROOT / "docs/tutorials/add-a-method.md")
YAML = [
    block for page in PAGES if page not in OWN_CODE for block in snippets(page) if block.language in ("yaml", "yml")
]


def whole(fragment: dict[str, Any]) -> dict[str, Any]:
    """A study of a part of one: what it leaves out is the micro study's, but for models where captions come from
    elsewhere, or where models need a chat template."""
    study = copy.deepcopy(MICRO)
    if "systems" in fragment or "template" in fragment.get("prompts", {}):
        for key in ("initial", "universal", "align", "merge", "preferences"):
            study.pop(key)
        study["data"].pop("train"), study["data"].pop("validation")
    for key, value in fragment.items():
        merged = key in ("data", "align", "nli", "merge", "initial", "metrics") and isinstance(study.get(key), dict)
        study[key] = study[key] | value if merged else value
    return study


@pytest.mark.parametrize("block", YAML, ids=str)
def test_configs_are_taken(block: Snippet, tmp_path: Path) -> None:
    if block.file.startswith("profiles/"):  # options of Snakemake's command line
        assert {str(key).replace("_", "-") for key in yaml.safe_load(block.text)} <= options()
        return
    path = tmp_path / "study.yaml"
    path.write_text(block.text)
    refused = re.match(r"# refused: (.+)\n", block.text)
    if refused:
        with pytest.raises(MolmixError, match=re.escape(refused.group(1))):
            model_table.build(loading.parse(whole(loading.read_yaml(path))))
        return
    study = loading.read_yaml(path)
    model_table.build(loading.parse(study if block.file else whole(study)))  # a file that a page names is a whole study


@cache
def options() -> set[str]:
    """Names of Snakemake's options."""
    from snakemake.cli import get_argument_parser

    actions = get_argument_parser()._actions
    return {name.removeprefix("--") for action in actions for name in action.option_strings}


@cache
def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    tokens = MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8"))
    titles = [tokens[index + 1] for index, token in enumerate(tokens) if token.type == "heading_open"]
    plain = ("".join(part.content for part in title.children or ()) for title in titles)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def targets(page: Path) -> list[str]:
    """What a page links to or shows."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    parts = [part for token in tokens for part in token.children or ()]
    return [str(part.attrs.get("href") or part.attrs["src"]) for part in parts if part.type in ("link_open", "image")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in targets(page):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = page.parent / name if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        if anchor:
            assert anchor in slugs(linked), f"{page.name} links to {target}; there are {sorted(slugs(linked))}"


@cache
def said(name: str) -> str:
    """Every text that stands in the code of a package or a module, between its replacement fields."""
    spec = find_spec(name)
    assert spec and spec.origin
    files = Path(spec.origin).parent.rglob("*.py") if spec.submodule_search_locations else [Path(spec.origin)]
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in files)
    texts = (node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n\0".join(text for text in texts if isinstance(text, str))


QUOTED = [block for block in snippets(ROOT / "docs/troubleshooting.md") if block.language.startswith("text")]


@pytest.mark.parametrize("block", QUOTED, ids=str)
def test_quoted_messages_are_those_of_the_code(block: Snippet) -> None:
    source = said("snakemake.exceptions" if block.language.endswith("snakemake") else "molmix")
    for line in block.text.splitlines():
        for part in filter(None, map(str.strip, line.split("…"))):
            assert part in source, f"no message holds {part!r}"


def test_the_map_names_every_rule_that_makes_something() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")]
    blocks = [block for text in texts for block in re.split(r"^(?=rule |use rule )", text, flags=re.MULTILINE)]
    heads = (re.match(r"(?:use )?rule (?:\w+ as )?(\w+)", block) for block in blocks if " output:" in block)
    made = [head.group(1) for head in heads if head]
    assert len(made) > 20 and [rule for rule in made if f"`{rule}`" not in page] == []


def test_every_page_is_in_the_site() -> None:
    named = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {*named, "tutorials/index.md"} == set(), "name it under `nav` in mkdocs.yml"


def test_badges_are_true() -> None:
    """README's badges say what the project's files say."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (python,) = re.findall(r'requires-python = ">=([\d.]+)"', project)
    (snakemake,) = re.findall(r'"snakemake>=([\d.]+),', project)
    (licence,) = re.findall(r'license = "(.+)"', project)
    said = re.findall(r"^\[!\[(.+?)\]", page, re.MULTILINE)
    assert said == [f"Python {python} or newer", f"Snakemake {snakemake} or newer", f"Licence {licence}"]


def test_every_config_has_its_line() -> None:
    named = (ROOT / "config/README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "config").glob("*.yaml") if f"`{path.name}`" not in named] == []


def test_citation_and_catalog_are_whole() -> None:
    """The keys that their formats require, and the version of the package."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and {"message", "title", "authors"} <= citation.keys()
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert all({"type", "title", "authors"} <= reference.keys() for reference in citation["references"])
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"] | {"conda": True, "report": True} == usage["software-stack-deployment"]
    assert f"## [{citation['version']}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_map_names_files_that_exist_and_every_room() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = [name for name in re.findall(r"`([\w/-]+\.(?:py|smk))`", page) if "/" in name]
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists() and not (ROOT / "src/molmix" / name).exists()] == []
    rooms = {path.name for path in (ROOT / "src/molmix").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert {room for room in rooms if f"`{room}/`" not in page} == set()


def test_the_tests_of_fixed_faults_exist() -> None:
    page = (ROOT / "docs/fixed-faults.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page))
    assert len(named) > 10 and [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OWN_CODE], ids=lambda page: page.name)
def test_modules_and_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    files = re.findall(r"`((?:src|tests|workflow|envs|profiles|faults|benchmarks|config)/[\w/.-]+\.\w+)`", text)
    assert [name for name in files if not (ROOT / name).exists() and not (ROOT / "src/molmix" / name).exists()] == []
    for name in set(re.findall(r"`(molmix(?:\.\w+)+)`", text)):
        *package, last = name.split(".")
        assert find_spec(".".join(package)), name
        assert hasattr(import_module(".".join(package)), last) or find_spec(name), name
