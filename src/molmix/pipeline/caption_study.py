"""`molmix score`: a study of captions from files, with options instead of a config file.

It writes a config into a folder and runs Snakemake there. So the study can be run again, changed and cited.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from molmix.core.errors import MolmixError, counted, fault, show_value
from molmix.core.files import digest, write_atomically
from molmix.core.validation import check_name
from molmix.data.settings import FileSource, Predictions
from molmix.data.sources import column_names, file_format, read_rows
from molmix.judges.kinds import KINDS, NliJudge
from molmix.pipeline.model_table import RESERVED
from molmix.pipeline.setup import find_snakefile, ready

RUN = "captions"  # name of the run, as in results/<run>
CONFIG = "config.yaml"
TARGETS = ("tables", "explorer")
HEADER = "# Written by `molmix score`."
CHECKSUM = "# Checksum of what follows: "

# Usual names of columns, in lower case, by their content.
USUAL = {
    "id": ("id", "cid", "chebi_id", "molecule_id"),
    "molecule": ("smiles", "molecule", "canonical_smiles"),
    "reference": ("description", "caption", "reference", "text", "ground truth"),
    "caption": ("caption", "description", "text", "output", "prediction", "generated"),
}


# What messages call settings, and what the command calls them.
_OPTIONS = {"`quoting: none`": "`--quoting none`", "`labels`": "`--labels`"}


@contextmanager
def _options_for_keys() -> Iterator[None]:
    """Errors in the block name options of the command instead of keys of a config."""
    try:
        yield
    except MolmixError as error:
        message = str(error)
        for key, option in _OPTIONS.items():
            message = message.replace(key, option)
        raise MolmixError(message) from None


@_options_for_keys()
def write_study(
    references: Path,
    captions: Sequence[Path],
    out: Path,
    *,
    nli: str | None,
    labels: Sequence[str] | None = None,
    kinds: Sequence[str] = ("atomic",),
    columns: Mapping[str, str | None] | None = None,
    quoting: str = "minimal",
    strict: bool = False,
) -> tuple[list[str], list[str]]:
    """Write the config of a study of captions, and check it and the files that it names.

    Args:
        references: table of the references.
        captions: table of each system's captions. The systems are named after the files. Captions are joined to the
            references by id if both have ids, else by molecule if both have molecules, else by order.
        out: folder of the study: new, empty, or of an earlier call.
        nli: the NLI model; see :func:`molmix.judges.judge.resolve_model`. None if no kind asks one.
        labels: meanings of the NLI model's classes; None for those in the model's own config.
        kinds: kinds of judges, each with its default settings.
        columns: names of columns by content (keys of :data:`USUAL`), if they are not the usual ones.
        quoting: quoting in TSV and CSV files, `minimal` or `none`.
        strict: whether the study stops if a judge is not licensed for its main scores.

    Returns:
        The command that runs the study; and notes for the user: how the captions of each file are joined, which commit
        of the NLI model is used if none is named, and what the model cannot tell.

    Raises:
        MolmixError: a file, a column or the model cannot be used; captions that are joined by order are not as many
            as the references; no id is one of the references; or `molmix score` did not write the content of the
            folder. The message names options of the command in place of config keys.
    """
    from molmix.core.hub import snapshot
    from molmix.judges.judge import check_labels, model_name, resolve_model
    from molmix.judges.nli.licence import without_contradiction

    check_folder(out)
    _check_kinds(kinds)
    named = {what: name for what, name in (columns or {}).items() if name}
    reference_columns = _columns(references, "reference", named, quoting)
    source: dict[str, Any] = {"kind": "file", "path": str(references.absolute()), "quoting": quoting}
    source["columns"] = {"molecule": None} | _renamed(reference_columns, reference="caption")
    test = _name(references)
    systems: dict[str, dict[str, Any]] = {}
    notes = []
    for path in captions:
        found = _renamed(_columns(path, "caption", named, quoting), caption="text")
        shared = [key for key in ("id", "molecule") if key in found and key in reference_columns][:1]
        predictions = {key: name for key, name in found.items() if key in ("text", *shared)}
        predictions |= {"path": str(path.absolute()), "quoting": quoting}
        if shared != ["molecule"]:
            _check_joins(FileSource.model_validate(source), Predictions.model_validate(predictions))
        name = _name(path)
        if name.lower() in RESERVED:
            raise fault(path, f"a system cannot be called {name!r}", "rename the file")
        if name.lower() in map(str.lower, systems):
            raise fault(path, f"a second system is called {name!r}", "give the files names that differ")
        systems[name] = predictions
        notes.append(f"{name}: captions are joined to the references by {''.join(shared) or 'order'}")
    study: dict[str, Any] = {
        "run": RUN,
        "data": {"tests": {test: {"source": source}}, "unparsable": "keep"},
        "systems": [{"name": name, "predictions": {test: files}} for name, files in systems.items()],
    }
    asking = [kind for kind in kinds if issubclass(KINDS[kind], NliJudge)]
    own: dict[str, str] = {}
    contradicts = True
    if asking:
        if nli is None:
            hint = "name a local folder, or a hub id as organisation/name@commit"
            raise fault("--nli", f"missing: the judge {asking[0]!r} asks an NLI model", hint)
        model, revision = resolve_model(nli, "--nli")
        folder = snapshot("--nli", model, revision, "model") if revision else Path(model)
        notes += _say_commit(nli, folder.name) if revision else []
        contradicts = check_labels(folder, labels)
        origin = {"id": model, "revision": revision} if revision else {"id": str(Path(model).absolute())}
        classes = {"labels": list(labels)} if labels else {}
        study["nli"] = {model_name(model): {"kind": "pretrained"} | origin | classes}
        own = {"nli": model_name(model)}
    elif nli is not None:
        raise fault("--nli", f"is given, and the judge {kinds[0]!r} asks no NLI model", "remove it")
    study["judges"] = {kind: {"kind": kind} | (own if kind in asking else {}) for kind in kinds}
    study |= {"licence": {"strict": True}} if strict else {}
    config, _ = ready(study, [], read_files=True)
    if not contradicts:
        judges = ((name, judge) for name, judge in config.judges.items() if isinstance(judge, NliJudge))
        notes += [note for name, judge in judges if (note := without_contradiction(name, judge))]
    return _write(study, out), notes


def _say_commit(nli: str, commit: str) -> list[str]:
    """A note for the user if the name of a model of the hub does not name its commit."""
    model, _, given = nli.partition("@")
    if given and commit.startswith(given):
        return []
    why = f"{given!r} can change" if given else "no commit is named"
    hint = f"give `--nli {model}@{commit}` to get the same scores later"
    return [f"NLI model {model}: {why}; the commit {commit} is used. Hint: {hint}"]


def _check_kinds(kinds: Sequence[str]) -> None:
    for kind in kinds:
        check_name(kind, KINDS, "--judge", "kind of judge")
        fields = KINDS[kind].model_fields.items()
        if needed := [f"`{key}`" for key, field in fields if field.is_required() and key not in ("kind", "nli")]:
            what = f"the judge {kind!r} has no default for {', '.join(needed)}"
            raise fault("--judge", what, 'set it in a config: docs/tutorials/score.md, the section "More"')


def check_folder(out: Path) -> None:
    """Refuse a folder whose files `molmix score` did not write.

    Raises:
        MolmixError: it is a file, or it contains files but no config of an earlier call.
    """
    if out.exists() and not out.is_dir():
        raise fault(out, "is a file, and a folder is written here", "name another folder")
    try:
        own = (out / CONFIG).read_text(encoding="utf-8").startswith(HEADER)
    except (OSError, UnicodeDecodeError):
        own = False
    if not own and out.is_dir() and (there := sorted(entry.name for entry in out.iterdir())):
        what = f"holds files that `molmix score` did not write there ({show_value(there[0])})"
        raise fault(out, what, "name a new folder, or one that an earlier `molmix score` wrote")


def _write(study: dict[str, Any], out: Path) -> list[str]:
    import yaml

    folder, text = out.absolute(), yaml.safe_dump(study, sort_keys=False, allow_unicode=True)
    _check_unedited(out / CONFIG)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(find_snakefile()), "--directory", str(folder)]
    command += ["--configfile", str(folder / CONFIG), "--quiet", "reason", "--cores", "all", *TARGETS]
    with write_atomically(out / CONFIG) as temporary:
        lines = [HEADER, f"# To run it again: {shlex.join(command)}", f"{CHECKSUM}{digest(text)}"]
        temporary.write_text("\n".join([*lines, text]), encoding="utf-8")
    return command


def _check_unedited(config: Path) -> None:
    """Refuse to write over a config that a person has changed."""
    if not config.exists():
        return
    *_, stored, text = ["", "", *config.read_text(encoding="utf-8").split("\n", 3)]
    if stored.startswith(CHECKSUM) and stored.removeprefix(CHECKSUM) != digest(text):
        what = "was changed since `molmix score` wrote it, and would be written anew"
        raise fault(config, what, "run the command in its second line, or name another folder with --out")


def _columns(path: Path, text: str, named: Mapping[str, str], quoting: str) -> dict[str, str]:
    """The columns of a file by content: the text, and the ids and the molecules if the file has them.

    Args:
        path: the file.
        text: content of its text column: `reference` or `caption`.
        named: columns that the user names.
        quoting: quoting of the file.
    """
    there = column_names(path, quoting)
    if file_format(path) == "lines":
        return {text: text}
    found = {}
    for what in ("id", "molecule", text):
        if what in named:
            if named[what] in there:
                found[what] = named[what]
            elif what == "id" or (what, text) == ("molecule", "reference"):
                listed = ", ".join(map(show_value, there[:20])) or "none"
                hint = f"change --{what}; there are: {listed}"
                raise fault(path, f"has no column {show_value(named[what])} for the {what}", hint)
        else:
            usual = [name for name in there if name.strip().lower() in USUAL[what]]
            if len(usual) > 1:
                several = f"has several columns that can hold the {what}: {', '.join(map(show_value, usual))}"
                raise fault(path, several, f"name one with --{what}")
            if usual:
                found[what] = usual[0]
    if text not in found:
        listed = ", ".join(map(show_value, there[:20])) or "none"
        expected = show_value(named[text]) if text in named else " or ".join(USUAL[text])
        raise fault(path, f"has no column {expected} for the {text}", f"name it with --{text}; there are: {listed}")
    return found


def _renamed(columns: dict[str, str], **names: str) -> dict[str, str]:
    return {names.get(what, what): name for what, name in columns.items()}


def _check_joins(references: FileSource, captions: Predictions) -> None:
    """Check that captions are as many as the references, or that they share an id with them."""
    own, other = ([row.get("id") for row in read_rows(source)] for source in (captions, references))
    if not captions.id and len(own) != len(other):
        hint = "give one caption a row, in the same order, or a column of ids or molecules in both files"
        raise fault(
            captions.path,
            f"has {counted(len(own), 'caption')}, and {references.path} has {counted(len(other), 'reference')}",
            hint,
        )
    if captions.id and own and other and not {*map(str, own)} & {*map(str, other)}:
        what = f"has none of the ids of {references.path} (here {show_value(own[0])}, there {show_value(other[0])})"
        hint = "name the column of the ids with --id; or rename it in one of the files, to join by molecule or by order"
        raise fault(captions.path, what, hint)


def _name(path: Path) -> str:
    """A name for the config, made from a file name without its extensions."""
    stem = path.with_suffix("").stem if path.suffix == ".gz" else path.stem
    return re.sub(r"[^A-Za-z0-9_-]+", "-", stem).strip("-_")[:40] or "captions"
