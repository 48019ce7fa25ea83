"""What `make site` (MkDocs, mkdocs.yml) needs beside the pages of docs/.

The pages stand where GitHub shows them, and link to each other by paths of the repository. Here the pages outside of
docs/ are added to the site, and the links are changed to paths of the site. A linked file that is no page, such as a
config, is copied into the site.
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
# Page of the site: its file in the repository.
OUTSIDE = {"index.md": "README.md", "config/README.md": "config/README.md"}
OUTSIDE |= {name: name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md")}
NOTEBOOK = "tutorials/scoring.ipynb"
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not Markdown files of docs/."""
    for page, path in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    notebook = (ROOT / "docs" / NOTEBOOK).read_text(encoding="utf-8")
    page = NOTEBOOK.replace(".ipynb", ".md")
    files.append(File.generated(config, page, content=notebook_page(json.loads(notebook))))
    for room in sorted(path.parent.name for path in ROOT.glob("src/molmix/*/__init__.py")):
        files.append(File.generated(config, f"reference/{room}.md", content=f"::: molmix.{room}\n"))
    judge = "# The Python interface\n\n`from molmix import Judge`\n\n::: molmix.judges.judge.Judge\n"
    judge += "    options: {heading_level: 2}\n"
    files.append(File.generated(config, "reference/judge.md", content=judge))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Change links between files of the repository to links between pages of the site."""
    markdown = re.sub(r"^\[!\[.*\n", "", markdown, flags=re.MULTILINE)  # badges are requests to another server
    here = OUTSIDE.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link[2]))
        if not (ROOT / target).exists():
            return link[0]  # MkDocs reports it
        in_site = {path: page for page, path in OUTSIDE.items()}.get(target, target.removeprefix("docs/"))
        if target == f"docs/{NOTEBOOK}":
            in_site = NOTEBOOK.replace(".ipynb", ".md")
        if files.get_file_from_path(in_site) is None:
            files.append(File.generated(config, in_site, abs_src_path=str(ROOT / target)))
        return f"{link[1]}{posixpath.relpath(in_site, posixpath.dirname(page.file.src_uri) or '.')}{link[3]}"

    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.MULTILINE | re.DOTALL)  # code has no links
    return "".join(part if part.startswith("```") else LINK.sub(moved, part) for part in parts)


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: its texts, its code, and what the code printed."""
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        for output in cell["outputs"]:
            printed = "".join(output.get("text") or output["data"]["text/plain"])
            parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


class PlainRoles(Extension):
    """Docstrings: ``:func:`name` `` and two backticks, as Sphinx reads them, become one pair. `>>>` is code."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        """Change the docstring of an object."""
        if obj.docstring:
            text = re.sub(r":(?:func|class|mod|data|meth|attr):`~?([^`]+)`", r"`\1`", obj.docstring.value)
            text = re.sub(r"``([^`\n]+)``", r"`\1`", text)
            obj.docstring.value = re.sub(r"((?:^>>> .*(?:\n|$))+)", r"```python\n\1```\n", text, flags=re.MULTILINE)
