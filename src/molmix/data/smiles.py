"""Parse and canonicalise SMILES, make the key that joins molecules, and find leakage between sets.

All code that compares molecules uses this file, so that all parts agree on which molecules are the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial, wraps
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from molmix.core.processes import in_processes

if TYPE_CHECKING:
    from rdkit import Chem

LONGEST = 5000  # characters; on much longer chains RDKit's recursion crashes the process
# Levels at which two molecules are equal, from the narrowest to the widest: the same canonical SMILES; the same without
# stereochemistry; the same parent (without salts, charges, isotopes and stereochemistry, as one tautomer).
LEVELS = ("exact", "stereo", "parent")
# RDKit disconnects atoms of all other elements as metals.
_ORGANIC = {"H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "As", "Se", "Br", "Te", "I", "At"}
_BRACKETS = re.compile(r"\[\d*([A-Z][a-z]?|[a-z]+)")  # the element of an atom in brackets: [13C@H], [nH], [se]
_ISOTOPE = re.compile(r"\[\d")
_UNUSUAL_CARBON = re.compile(r"\[(?!C@@?H?\])[Cc](?![a-z])")  # in brackets for another reason than stereochemistry

# Atoms. A larger molecule is its own scaffold: RDKit's time is cubic (300 atoms take 0.03 s, 2,000 atoms 32 s).
LARGEST_WITH_SCAFFOLD = 300
FARTHEST_CHANGED = 6  # bonds from an element other than carbon within which another form may have other bonds
# Fewer molecules than this, or fewer parents of molecules, are not divided between processes, whose start takes longer.
FEWEST_FOR_PROCESSES = 1000
FEWEST_PARENTS_FOR_PROCESSES = 30

Size = tuple[int, int, int, int]
Answer = TypeVar("Answer")


def _remembered(function: Callable[[str], Answer]) -> Any:
    """A function of a SMILES that keeps its answers: one job asks for the same molecules several times.

    Other processes can compute answers too (:func:`compute_ahead`): they are in ``function.answers``.
    """
    answers: dict[str, Answer] = {}

    @wraps(function)
    def ask(smiles: str) -> Answer:
        if smiles not in answers:
            answers[smiles] = function(smiles)
        return answers[smiles]

    ask.answers = answers  # type: ignore[attr-defined]
    return ask


def parse_smiles(text: str) -> Chem.Mol | None:
    """Read a SMILES string with RDKit.

    RDKit itself reads the text after a blank as the name of the molecule ("I cannot help." is iodine), and stops at a
    NUL. Here such texts are not SMILES.

    Returns:
        None if the text is not a SMILES, has no atom, or has more than `LONGEST` characters.
    """
    from rdkit import Chem, rdBase

    smiles = text.strip()
    if len(smiles) > LONGEST or not smiles.isascii() or not smiles.isprintable() or " " in smiles:
        return None
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


@_remembered
def canonical(smiles: str) -> str | None:
    """RDKit's canonical SMILES, without atom maps; None if :func:`parse_smiles` finds no molecule.

    For some molecules, the canonical SMILES of the canonical SMILES is another one. So it is computed again until it
    does not change (in a cycle, the alphabetically first is taken): ``canonical(canonical(x)) == canonical(x)``.
    """
    return _canonical(smiles)[0]


def _canonical(smiles: str) -> tuple[str | None, Chem.Mol | None]:
    """:func:`canonical`, and the molecule that RDKit read from it."""
    from rdkit import Chem

    forms: list[str] = []
    text = smiles
    while (molecule := parse_smiles(text)) is not None:
        for atom in molecule.GetAtoms() if ":" in text else ():
            atom.SetAtomMapNum(0)
        form = Chem.MolToSmiles(molecule)
        if form == text:
            return form, molecule
        if form in forms:
            first = min(forms[forms.index(form) :])
            return first, parse_smiles(first)
        forms.append(form)
        text = form
    return None, None


@_remembered
def scaffold(smiles: str) -> str | None:
    """Bemis-Murcko scaffold (Bemis & Murcko 1996) of a canonical SMILES, without stereochemistry; empty without a ring.

    None if RDKit cannot read the text, or if the molecule has more than :data:`LARGEST_WITH_SCAFFOLD` atoms.
    """
    molecule = parse_smiles(smiles)
    return None if molecule is None else _scaffold_of(molecule)


def compute_ahead(texts: Iterable[str], processes: int, *, scaffolds: bool, sizes: set[Size] | None = None) -> None:
    """Compute what a corpus asks of many molecules, if they are many in several processes. Each molecule is read once.

    :func:`canonical`, :func:`scaffold` and :class:`HeldOut` then find their answers.

    Args:
        texts: SMILES as their source writes them.
        processes: number of processes.
        scaffolds: whether scaffolds are asked for.
        sizes: the only sizes of molecules whose skeletons are asked for (``HeldOut.sizes``); None for all.
    """
    new = [text for text in dict.fromkeys(texts) if text not in canonical.answers]
    compute = partial(_compute, scaffolds=scaffolds, sizes=sizes)
    several = processes > 1 and len(new) >= FEWEST_FOR_PROCESSES
    computed = in_processes(compute, new, processes) if several else map(compute, new)
    for text, (form, size, skeleton, framework) in zip(new, computed, strict=True):
        canonical.answers[text] = form
        if form is not None:
            canonical.answers[form] = form
            _size.answers[form] = size
            if skeleton is not None:
                _skeleton.answers[form] = skeleton
            if scaffolds:
                scaffold.answers[form] = framework


def _compute(
    text: str, *, scaffolds: bool, sizes: set[Size] | None
) -> tuple[str | None, Size | None, str | None, str | None]:
    """Canonical SMILES, size, skeleton and scaffold of a SMILES."""
    form, molecule = _canonical(text)
    if form is None or molecule is None:
        return None, None, None, None
    framework = _scaffold_of(molecule) if scaffolds else None
    part = _main_part(form, molecule)
    size = _size_of(part)
    return form, size, _skeleton_of(part) if sizes is None or size in sizes else None, framework


def join_key(molecule: str, domain: str) -> str:
    """The key for joining rows of different sources.

    Args:
        molecule: a SMILES, or any text under ``domain: text``.
        domain: `molecules` or `text`.

    Returns:
        The canonical SMILES. If there is none (``unparsable: keep``, or ``domain: text``), the text with single
        blanks.
    """
    return (canonical(molecule) if domain == "molecules" else None) or " ".join(molecule.split())


class HeldOut:
    """Molecules that training must not use. :meth:`find` says at which level another molecule equals one of them.

    A parent takes about 20 ms to compute. So parents are compared only for molecules with the same size, skeleton and
    fixed part, which take less than 1 ms and are the same for every form of a molecule. For molecules that RDKit cannot
    read, and under ``domain: text``, only equal texts are found.
    """

    def __init__(self, domain: str, processes: int = 1) -> None:
        """Start without molecules. :meth:`find_all` uses so many processes."""
        self.domain = domain
        self.processes = processes
        self._names: dict[str, str] = {}
        self.sizes: set[Size] = set()  # most molecules have the size of none, so their skeletons are not computed
        self._by_skeleton: dict[str, list[str]] = defaultdict(list)

    def add(self, molecules: Iterable[str], name: str) -> None:
        """Hold out molecules.

        Args:
            molecules: keys from :func:`join_key`.
            name: of the set that contains them. If several sets contain one molecule, the last name is kept.
        """
        for molecule in dict.fromkeys(molecules):
            known = molecule in self._names
            self._names[molecule] = name
            if self.domain == "molecules" and not known and (skeleton := _skeleton(molecule)):
                self._by_skeleton[skeleton].append(molecule)
                self.sizes.add(_size(molecule))

    def find(self, molecule: str) -> tuple[str, str] | None:
        """The narrowest of `LEVELS` at which a molecule equals a held-out one, and the name of that one's set."""
        if molecule in self._names:
            return "exact", self._names[molecule]
        if self.domain == "text" or _size(molecule) not in self.sizes:
            return None
        near = self._by_skeleton.get(_skeleton(molecule), [])
        candidates = [candidate for candidate in near if _may_be_forms(candidate, molecule)]
        for level, key in (("stereo", _flat), ("parent", _parent)):
            for candidate in candidates:
                if key(candidate) == key(molecule):
                    return level, self._names[candidate]
        return None

    def find_all(self, molecules: Iterable[str]) -> dict[str, tuple[str, str] | None]:
        """:meth:`find` of each molecule. Many forms and parents are computed in several processes."""
        names = list(dict.fromkeys(molecules))
        if self.domain == "molecules" and self.processes > 1:
            same_size = [name for name in names if name not in self._names and _size(name) in self.sizes]
            self._compute_ahead(_skeleton, {molecule: [molecule] for molecule in same_size})
            near = {molecule: self._by_skeleton.get(_skeleton(molecule), []) for molecule in same_size}
            self._compute_ahead(_fixed_part, near)
            near = {
                molecule: [candidate for candidate in candidates if _may_be_forms(candidate, molecule)]
                for molecule, candidates in near.items()
            }
            self._compute_ahead(_flat, near)
            near = {
                molecule: candidates
                for molecule, candidates in near.items()
                if all(_flat(candidate) != _flat(molecule) for candidate in candidates)
            }
            self._compute_ahead(_parent, near)
        return {molecule: self.find(molecule) for molecule in names}

    def _compute_ahead(self, key: Any, near: Mapping[str, Sequence[str]]) -> None:
        """Compute a key of molecules and their candidates in several processes, if they are many."""
        wanted = {text for molecule, candidates in near.items() if candidates for text in (molecule, *candidates)}
        new = sorted(wanted - key.answers.keys())
        if len(new) >= FEWEST_PARENTS_FOR_PROCESSES:
            key.answers.update(zip(new, in_processes(key, new, self.processes), strict=True))


def _mol(canonical_smiles: str) -> Chem.Mol:
    molecule = parse_smiles(canonical_smiles)
    assert molecule is not None
    return molecule


def _scaffold_of(molecule: Chem.Mol) -> str | None:
    from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

    if molecule.GetNumAtoms() > LARGEST_WITH_SCAFFOLD:
        return None
    # RDKit takes long to find that a large molecule without a ring has no scaffold.
    return MurckoScaffoldSmiles(mol=molecule) if molecule.GetRingInfo().NumRings() else ""


@_remembered
def _skeleton(smiles: str) -> str:
    """A key that all tautomers and protonation states share: the parent's element graph, and hydrogens minus charge.

    Empty if the text is not a SMILES.
    """
    molecule = parse_smiles(smiles)
    return "" if molecule is None else _skeleton_of(_main_part(smiles, molecule))


def _skeleton_of(part: Chem.Mol) -> str:
    """:func:`_skeleton`, from the :func:`_main_part` of a molecule."""
    return f"{_element_graph(part)} {_hydrogens(part)}"


@_remembered
def _size(smiles: str) -> Size | None:
    """Numbers that all molecules with the same skeleton share; None if the text is not a SMILES.

    They take a hundredth of the time that the skeleton takes.
    """
    molecule = parse_smiles(smiles)
    return None if molecule is None else _size_of(_main_part(smiles, molecule))


def _size_of(part: Chem.Mol) -> Size:
    """:func:`_size`, from the :func:`_main_part` of a molecule: atoms, those but carbon, bonds, :func:`_hydrogens`."""
    from rdkit.Chem.rdMolDescriptors import CalcNumHeteroatoms

    return part.GetNumAtoms(), CalcNumHeteroatoms(part), part.GetNumBonds(), _hydrogens(part)


def _hydrogens(molecule: Chem.Mol) -> int:
    """Hydrogen atoms minus charge."""
    from rdkit import Chem

    return molecule.GetNumAtoms(onlyExplicit=False) - molecule.GetNumAtoms() - Chem.GetFormalCharge(molecule)


def _main_part(smiles: str, molecule: Chem.Mol) -> Chem.Mol:
    """The largest fragment of a molecule that was read from a SMILES, without stereochemistry and isotopes.

    The molecule is changed.
    """
    from rdkit import Chem
    from rdkit.Chem.MolStandardize import rdMolStandardize

    Chem.RemoveStereochemistry(molecule)
    if _ISOTOPE.search(smiles):
        molecule = Chem.RemoveHs(rdMolStandardize.IsotopeParent(molecule, skipStandardize=True))
    return _quietly(rdMolStandardize.FragmentParent, molecule) if _may_have_fragments(smiles) else molecule


def _element_graph(molecule: Chem.Mol) -> str:
    """SMILES of a molecule's atoms, their isotopes, and its bonds without their orders."""
    from rdkit.Chem import rdMolHash

    return rdMolHash.MolHash(molecule, rdMolHash.HashFunction.ElementGraph)


def _may_have_fragments(smiles: str) -> bool:
    """Whether RDKit may divide a molecule: into its fragments, or at metals.

    Outside of brackets, a SMILES has organic elements and wildcards (*) only.
    """
    metals = {symbol.capitalize() for symbol in _BRACKETS.findall(smiles)} - _ORGANIC
    return bool(metals) or "." in smiles or "*" in smiles


@_remembered
def _flat(smiles: str) -> str:
    """Canonical SMILES without stereochemistry."""
    from rdkit import Chem

    molecule = _mol(smiles)
    Chem.RemoveStereochemistry(molecule)
    return canonical(Chem.MolToSmiles(molecule)) or smiles


@_remembered
def _fixed_part(smiles: str) -> str | None:
    """A key that all forms of a molecule share: its element graph, with the multiple bonds that no form changes.

    These are bonds outside of rings between carbon atoms that are far from every other element. RDKit's tautomer rules
    change atoms up to six bonds from one: a 1,7 shift of hydrogen may have carbon at one end, and the longer shifts
    (1,9 and 1,11) have another element at both. What RDKit neutralises or normalises is within two bonds of one.

    Returns:
        Empty if there is no such bond. None if the parent may lack an atom of the text (fragments, metals, isotopes,
        explicit hydrogen), or if a carbon atom has a charge or a radical.
    """
    from rdkit import Chem

    if _may_have_fragments(smiles) or "[H]" in smiles or _ISOTOPE.search(smiles) or _UNUSUAL_CARBON.search(smiles):
        return None
    molecule = _mol(smiles)
    bonds = molecule.GetSubstructMatches(_fixed_bond())
    for index in chain.from_iterable(bonds):
        molecule.GetAtomWithIdx(index).SetIsotope(1)  # a mark: the element graph has no bond orders
    Chem.RemoveStereochemistry(molecule)
    return _element_graph(molecule) if bonds else ""


@cache
def _fixed_bond() -> Chem.Mol:
    """Query for the bonds of :func:`_fixed_part`."""
    from rdkit import Chem

    near = "[!#6]"
    for _ in range(FARTHEST_CHANGED - 1):
        near = f"[!#6,$(*~{near})]"
    far = f"[#6;!$(*~{near})]"
    return Chem.MolFromSmarts(f"{far}=,#;!@{far}")


def _may_be_forms(one: str, other: str) -> bool:
    """Whether two molecules with one skeleton may have the same parent."""
    parts = _fixed_part(one), _fixed_part(other)
    return None in parts or parts[0] == parts[1]


@_remembered
def _parent(smiles: str) -> str:
    """Canonical SMILES of RDKit's super parent: the fragment, isotope, charge, tautomer and stereo parent."""
    from rdkit import Chem
    from rdkit.Chem.MolStandardize import rdMolStandardize

    molecule = _mol(smiles)
    Chem.RemoveStereochemistry(molecule)
    return canonical(Chem.MolToSmiles(_quietly(rdMolStandardize.SuperParent, molecule))) or smiles


def _quietly(standardize, molecule: Chem.Mol) -> Chem.Mol:  # type: ignore[no-untyped-def]
    """A standardised molecule; the molecule itself if RDKit's standardizer fails on it."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        try:
            return standardize(molecule)
        except (RuntimeError, ValueError):  # such as MolSanitizeException
            return molecule
