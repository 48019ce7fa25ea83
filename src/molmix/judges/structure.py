"""What the structure of a molecule decides about a statement: charge, rings, groups, elements, chains, formula.

:func:`decide` reads one statement in the words of ChEBI ("The molecule is a secondary alcohol."), and computes from the
SMILES with RDKit whether it is true. It abstains where the structure does not decide, and where it does not understand
the statement. Charges, rings, formulas, isotopes and stereo labels are computed. The patterns of groups are RDKit's
(BSD): `Data/FragmentDescriptors.csv` (names ``fr_…``), `Data/Functional_Group_Hierarchy.txt` (``Amine.Primary``), and
the abbreviations of `rdkit.Chem.rdAbbreviations` (``CF3``). Lengths of chains are those of ChEBI's definitions.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molmix.data.smiles import parse_smiles

if TYPE_CHECKING:
    from rdkit import Chem

MULTIPLES = "mono di tri tetra penta hexa hepta octa nona deca undeca dodeca".split()  # noqa: SIM905
_NUMBER_OF = {name: number for number, name in enumerate(MULTIPLES, 1)} | {"bi": 2}
_COUNTS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_MULTIPLE = "|".join(_NUMBER_OF)


@dataclass(frozen=True)
class Decision:
    """A statement that the structure decides.

    Attributes:
        kind: the kind of statement, such as ``rings``.
        true: whether it is true.
        reason: what was computed, for people.
    """

    kind: str
    true: bool
    reason: str


class Structure:
    """A molecule, and what is computed from it. Everything is computed at the first use."""

    def __init__(self, molecule: Chem.Mol) -> None:
        """Store the molecule."""
        self.mol = molecule

    @cached_property
    def charge(self) -> int:
        """Sum of the formal charges."""
        from rdkit import Chem

        return Chem.GetFormalCharge(self.mol)

    @cached_property
    def elements(self) -> Counter[str]:
        """Number of atoms by element, hydrogen included."""
        found = Counter(atom.GetSymbol() for atom in self.mol.GetAtoms())
        found["H"] += sum(atom.GetTotalNumHs() for atom in self.mol.GetAtoms())
        return found

    @cached_property
    def systems(self) -> list[tuple[int, set[int]]]:
        """Ring systems: number of rings (bonds − atoms + 1) and atoms. Rings that share an atom are one system."""
        systems: list[set[int]] = []
        for ring in map(set, self.mol.GetRingInfo().AtomRings()):
            touching = [one for one in systems if one & ring]
            systems = [one for one in systems if not one & ring] + [ring.union(*touching)]
        bonds = [(bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in self.mol.GetBonds() if bond.IsInRing()]
        return [(sum({*bond} <= atoms for bond in bonds) - len(atoms) + 1, atoms) for atoms in systems]

    @cached_property
    def largest_ring(self) -> int:
        """Atoms of the largest ring; 0 without rings."""
        return max(map(len, self.mol.GetRingInfo().AtomRings()), default=0)

    @cached_property
    def isotopes(self) -> set[tuple[str, int]]:
        """Element and mass number of all labelled atoms."""
        return {(atom.GetSymbol(), atom.GetIsotope()) for atom in self.mol.GetAtoms() if atom.GetIsotope()}

    @cached_property
    def labels(self) -> Counter[str]:
        """CIP labels of all stereo centres (R, S) and double bonds (E, Z)."""
        from rdkit.Chem import rdCIPLabeler

        rdCIPLabeler.AssignCIPLabels(self.mol)
        holders: list[Any] = [*self.mol.GetAtoms(), *self.mol.GetBonds()]
        return Counter(one.GetProp("_CIPCode").upper() for one in holders if one.HasProp("_CIPCode"))

    @cached_property
    def _kekulized(self) -> Chem.Mol:
        from rdkit import Chem

        other = Chem.Mol(self.mol)
        Chem.Kekulize(other, clearAromaticFlags=True)
        return other

    def matches(self, name: str) -> list[tuple[int, ...]]:
        """Atoms of every match of one of RDKit's patterns; patterns of :data:`_IN_RINGS_TOO` without aromaticity."""
        molecule = self._kekulized if name in _IN_RINGS_TOO else self.mol
        return list(molecule.GetSubstructMatches(_patterns()[name], maxMatches=1000))

    def count(self, *names: str) -> int:
        """Number of matches of some of RDKit's patterns; matches that share their first atom count once."""
        return len({match[0] for name in names for match in self.matches(name)})

    @cached_property
    def acyl_chain(self) -> tuple[int, int, bool] | None:
        """Carbons, double bonds between them, and whether it branches, of the carbon skeleton that ends in the one
        carboxy group (or thioester), if it is acyclic; None if there is no such skeleton, or more than one."""
        ends = {match[0] for match in self.matches("CarboxylicAcid")}
        if len(ends) != 1:
            return None
        seen, waiting, branched = set[int](), [*ends], False
        while waiting:
            atom = self.mol.GetAtomWithIdx(waiting.pop())
            if atom.GetIdx() in seen:
                continue
            if atom.IsInRing():
                return None
            seen.add(atom.GetIdx())
            carbons = [other.GetIdx() for other in atom.GetNeighbors() if other.GetSymbol() == "C"]
            branched |= len(carbons) > 2
            waiting += carbons
        double = sum(
            bond.GetBondTypeAsDouble() == 2 and {bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()} <= seen
            for bond in self.mol.GetBonds()
        )
        return len(seen), double, branched


# RDKit's patterns of these groups leave out aromatic rings: the ketone of a chromone, the ester of a coumarin.
_IN_RINGS_TOO = {"fr_C=O", "fr_ketone", "fr_ester", "fr_amide", "fr_urea", "fr_ether", "fr_C=S", "fr_imide"}


@cache
def _patterns() -> dict[str, Chem.Mol]:
    """RDKit's patterns by name."""
    from rdkit import Chem, RDConfig
    from rdkit.Chem import rdAbbreviations

    data = Path(RDConfig.RDDataDir)
    found = {}
    for file, column in (("FragmentDescriptors.csv", 2), ("Functional_Group_Hierarchy.txt", 1)):
        for line in (data / file).read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.split("\t") if cell.strip()]
            if len(cells) > column and not line.startswith(("#", "//")):
                found[cells[0]] = Chem.MolFromSmarts(cells[column])
    for short in rdAbbreviations.GetDefaultAbbreviations():
        found[short.label] = short.mol
    return found


# ---- what a class says: kind, pattern of the noun phrase, and the test ----------------------------------------------

# None: the structure does not decide.
Test = Callable[[Structure, re.Match[str]], tuple[bool, str] | None]


def _has(*names: str, least: int = 1) -> Test:
    """Whether there are at least some groups of RDKit's patterns."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        number = one.count(*names)
        return number >= least, f"RDKit's pattern {' or '.join(names)} occurs {_times(number)}"

    return test


def _has_exactly(*names: str) -> Test:
    """Whether the groups of RDKit's patterns are as many as the matched multiple (di, tri) says."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        number = one.count(*names)
        return number == _NUMBER_OF[match["n"]], f"RDKit's pattern {' or '.join(names)} occurs {_times(number)}"

    return test


def _lactone(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    number = sum(one.mol.GetBondBetweenAtoms(found[1], found[3]).IsInRing() for found in one.matches("fr_ester"))
    return number > 0, f"RDKit's pattern fr_ester occurs {_times(number)} in a ring"


def _sulfide(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    sulfurs = [atom for atom in one.mol.GetAtoms() if atom.GetSymbol() == "S" and atom.GetDegree() == 2]
    number = sum(all(other.GetSymbol() == "C" for other in atom.GetNeighbors()) for atom in sulfurs)
    return number > 0, f"{number} S are bound to two carbons"


def _touches(name: str, of: Callable[[Chem.Atom], bool], what: str) -> Test:
    """Whether an atom of some match of a pattern, or one bound to it, fulfils a condition."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        found = sum(any(of(one.mol.GetAtomWithIdx(index)) for index in atoms) for atoms in one.matches(name))
        return found > 0, f"RDKit's pattern {name} occurs {_times(found)} {what}"

    return test


def _alcohol(degree: int) -> Test:
    """Whether some hydroxy group is on a carbon of that degree: primary with two hydrogens, tertiary with none."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        carbons = [one.mol.GetAtomWithIdx(found[0]) for found in one.matches("fr_Al_OH")]
        number = sum(max(1, 3 - carbon.GetTotalNumHs()) == degree for carbon in carbons)
        return number > 0, f"{number} of {len(carbons)} aliphatic hydroxy groups are on such a carbon"

    return test


def _charge(expected: Callable[[int, re.Match[str]], bool]) -> Test:
    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        return expected(one.charge, match), f"the charge is {one.charge:+d}"

    return test


def _zwitterion(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    signs = {(charge > 0) - (charge < 0) for atom in one.mol.GetAtoms() if (charge := atom.GetFormalCharge())}
    return one.charge == 0 and len(signs) == 2, f"the charge is {one.charge:+d}, of {len(signs)} signs"


def _element(symbol: str) -> Test:
    """Whether the element is bound to carbon."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        number = sum(
            atom.GetSymbol() == symbol and any(other.GetSymbol() == "C" for other in atom.GetNeighbors())
            for atom in one.mol.GetAtoms()
        )
        return number > 0, f"{number} {symbol} are bound to carbon"

    return test


def _contains(symbol: str) -> Test:
    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        return one.elements[symbol] > 0, f"there are {one.elements[symbol]} {symbol}"

    return test


def _component(*smiles: str) -> Test:
    """Whether one of several components is such a substance, for example water in a hydrate."""

    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        from rdkit import Chem

        parts = Chem.MolToSmiles(one.mol).split(".")
        number = sum(part in smiles for part in parts)
        return len(parts) > 1 and number > 0, f"there are {len(parts)} components, {number} × {smiles[0]}"

    return test


def _salt(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    from rdkit import Chem

    number = len(Chem.GetMolFrags(one.mol))
    return number > 1, f"there are {number} components"


def _ring_system(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    """Whether a ring system has the number of rings, and as a hetero- or carbocycle its atoms."""
    sort, number = match["sort"] or "", _NUMBER_OF[match["n"]]
    sizes = [
        rings
        for rings, atoms in one.systems
        if not sort or (sort == "hetero") == any(one.mol.GetAtomWithIdx(atom).GetSymbol() != "C" for atom in atoms)
    ]
    return number in sizes, f"its {sort}{' ' * bool(sort)}ring systems have {_list(sizes)} rings"


def _macrocycle(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    if 9 <= one.largest_ring < 12:  # bridges can divide a macrocycle
        return None
    return one.largest_ring >= 12, f"the largest ring has {one.largest_ring} atoms"


def _ring_assembly(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    system_of = {atom: number for number, (_, atoms) in enumerate(one.systems) for atom in atoms}
    number = sum(
        not bond.IsInRing() and bond.GetBeginAtomIdx() in system_of and bond.GetEndAtomIdx() in system_of
        for bond in one.mol.GetBonds()
    )
    return number > 0, f"{number} bonds join two ring systems"


def _descriptor(name: str) -> Test:
    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        from rdkit.Chem import rdMolDescriptors

        number = getattr(rdMolDescriptors, name)(one.mol)
        return number > 0, f"RDKit's {name.removeprefix('CalcNum')}: {number}"

    return test


def _on_benzene(one: Structure, match: re.Match[str], groups: set[int], what: str) -> tuple[bool, str]:
    """Whether some benzene ring carries as many of some atoms as the matched multiple says."""
    counted = []
    for ring in one.matches("fr_benzene"):
        around = {other.GetIdx() for atom in ring for other in one.mol.GetAtomWithIdx(atom).GetNeighbors()}
        counted.append(len(around - {*ring} & groups))
    return _NUMBER_OF[match["n"]] in counted, f"its benzene rings carry {_list(counted)} {what}"


def _methoxy_on_benzene(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    return _on_benzene(one, match, {found[0] for found in one.matches("fr_methoxy")}, "methoxy groups")


def _halogen_on_benzene(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    symbol = {"chloro": "Cl", "fluoro": "F", "bromo": "Br", "iodo": "I"}[match["x"]]
    return _on_benzene(one, match, {a.GetIdx() for a in one.mol.GetAtoms() if a.GetSymbol() == symbol}, symbol)


def _polyol(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    number = one.count("Alcohol")
    return number >= {"di": 2, "tri": 3, "tetr": 4, "pent": 5, "hex": 6}[match["n"]], f"it has {number} hydroxy groups"


def _hydrocarbon(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    elements = {*+one.elements}
    return elements <= {"C", "H"}, f"its elements are {_list(sorted(elements))}"


def _one_carbon(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
    return one.elements["C"] == 1, f"it has {one.elements['C']} carbons"


def _is_aromatic(atom: Chem.Atom) -> bool:
    return atom.GetIsAromatic()


def _is_methyl(atom: Chem.Atom) -> bool:
    return atom.GetSymbol() == "C" and atom.GetDegree() == 1 and atom.GetTotalNumHs() == 3


def _is_ring_oxygen(atom: Chem.Atom) -> bool:
    return atom.GetSymbol() == "O" and atom.IsInRing()


def _is_ring_carbonyl(atom: Chem.Atom) -> bool:
    oxygens = (other for other in atom.GetNeighbors() if other.GetSymbol() == "O" and other.GetDegree() == 1)
    return atom.GetSymbol() == "C" and atom.IsInRing() and any(oxygens)


# Chains of fatty acids by ChEBI's definitions of these classes: carbons of the chain, the carboxy carbon included.
_LENGTHS = {"short": (1, 5), "medium": (6, 12), "long": (13, 22), "very long": (23, 27), "ultra-long": (28, 1000)}


def _chain(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    if one.acyl_chain is None:
        return None
    carbons = one.acyl_chain[0]
    low, high = _LENGTHS[match["length"].replace("very-long", "very long")]
    return low <= carbons <= high, f"the chain has {carbons} carbons"


def _saturation(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    if one.acyl_chain is None:
        return None
    double = one.acyl_chain[1]
    true = {"": double == 0, "un": double >= 1, "monoun": double == 1, "polyun": double >= 2}[match["sort"]]
    return true, f"the chain has {double} double bonds"


def _branches(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    if one.acyl_chain is None:
        return None
    branched = one.acyl_chain[2]
    return branched == (match["sort"] != "straight"), f"the chain {'branches' if branched else 'does not branch'}"


def _carbons(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    if one.acyl_chain is None:
        return None
    return one.acyl_chain[0] == int(match["c"]), f"the chain has {one.acyl_chain[0]} carbons"


def _isotopes(symbol: str, mass: int | None = None) -> Test:
    def test(one: Structure, match: re.Match[str]) -> tuple[bool, str]:
        labelled = ", ".join(f"{number}{name}" for name, number in sorted(one.isotopes)) or "none"
        found = any(symbol in ("", name) and mass in (None, number) for name, number in one.isotopes)
        return found, f"labelled atoms: {labelled}"

    return test


def _amino_acid(one: Structure, match: re.Match[str]) -> tuple[bool, str] | None:
    """L or D by comparison with the alanine that RDKit writes for a peptide sequence."""
    found = {way for way in "LD" if one.mol.HasSubstructMatch(_alanine(way), useChirality=True)}
    if len(found) != 1:
        return None
    return match["way"] in found, f"its alpha carbon has the configuration of {min(found)}-alanine"


@cache
def _alanine(way: str) -> Chem.Mol:
    from rdkit import Chem

    return Chem.MolFromSmarts(Chem.MolToSmarts(Chem.MolFromSequence({"L": "A", "D": "a"}[way], flavor=1)))


_ION = {"mono": 1, "di": 2, "tri": 3, "tetra": 4, "penta": 5, "hexa": 6}

# Classes whose molecules have a group: the end of the noun phrase, and RDKit's patterns of the group.
_HAVING = {
    r"alcohol": "fr_Al_OH fr_Ar_OH",
    r"phenols?": "fr_Ar_OH",
    r"(?<!silyl )\bether": "fr_ether",
    r"epoxide": "fr_epoxide",
    r"(?<!3-oxo )\baldehyde|member of benzaldehydes|enal": "fr_aldehyde",
    r"ketone|enone": "fr_ketone",
    r"carboxylic acid|fatty acid|member of benzoic acids": "CarboxylicAcid",
    r"carboxylic acid anion|fatty acid anion|carboxylate": "CO2- COO-",
    r"(?:carboxylic|methyl|ethyl|fatty acid|benzoate|acetate|cinnamate|butyrate) ester|\w+noate ester": "fr_ester",
    r"depsipeptide": "fr_ester",
    r"acetate ester": "OAc",
    r"carboxamide|amide|anilide|(?:di|tri)?peptide|lactam|enamide|acetamides|benzamides": "fr_amide",
    r"primary carboxamide": "fr_priamide",
    r"imide|dicarboximide": "fr_imide",
    r"ureas|N-sulfonylurea": "fr_urea",
    r"guanidines": "fr_guanido",
    r"nitrile": "fr_nitrile",
    r"(?<!aci-)\b(?:C-)?nitro compound|nitrobenzenes?": "fr_nitro",
    r"azide": "fr_azide",
    r"(?:mono|bis|tris)?azo compound|azobenzenes": "fr_azo",
    r"ketoxime|aldoxime|oxime|oxime O-ether": "fr_oxime",
    r"hydrazone": "fr_hdrzone",
    r"isocyanate": "fr_isocyan",
    r"isothiocyanate": "fr_isothiocyan",
    r"thiocyanate": "fr_thiocyan",
    r"primary amino compound": "Amine.Primary",
    r"secondary amino compound": "Amine.Secondary",
    r"tertiary amino compound": "Amine.Tertiary",
    r"aromatic amine|(?:substituted )?aniline|member of anilines": "fr_aniline",
    r"quaternary ammonium (?:ion|salt|compound)": "fr_quatN",
    r"sulfonamide|member of benzenesulfonamides": "fr_sulfonamd",
    r"sulfone": "fr_sulfone",
    r"boronic acids?": "BoronicAcid",
    r"terminal acetylenic compound": "fr_term_acetylene",
    r"(?:organic )?phosphate(?: monoester)?|phosphoric ester": "fr_phos_ester",
    r"sulfonyl chloride": "SulfonylChloride",
    r"acyl chloride": "AcidChloride",
    r"member of \(trifluoromethyl\)benzenes": "CF3",
    r"organohalogen compound": "fr_halogen",
}
_RINGS = {
    "pyridines": "fr_pyridine",
    "imidazoles": "fr_imidazole",
    "thiophenes": "fr_thiophene",
    "1,3-thiazoles": "fr_thiazole",
    "1,3-oxazoles": "fr_oxazole",
    "piperidines": "fr_piperdine",
    "piperazines": "fr_piperzine",
    "morpholines": "fr_morpholine",
    "tetrazoles": "fr_tetrazole",
    "benzenes": "fr_benzene",
    "barbiturates": "fr_barbitur",
    "benzodiazepines": "fr_benzodiazepine",
}
_ELEMENTS = {
    "chlorine": "Cl",
    "fluorine": "F",
    "bromine": "Br",
    "iodine": "I",
    "silicon": "Si",
    "boron": "B",
    "tin": "Sn",
    "mercury": "Hg",
    "selenium": "Se",
    "arsenic": "As",
    "sulfur": "S",
    "phosphorus": "P",
    "nitrogen": "N",
}
_METALS = {"sodium": "Na", "potassium": "K", "calcium": "Ca", "lithium": "Li", "magnesium": "Mg"}

_CYCLIC = (
    "compound|parent|ring system|arene|hydrocarbon|diterpenoid|triterpenoid|sesquiterpenoid|ketone|ether"  # of n rings
)
_FATTY = r"(?:[a-z,-]+ )*fatty acid(?: anion)?"

# The pattern must end where the noun phrase ends: "primary alcohol", but not "primary alcohol dehydrogenase inhibitor".
_CLASSES: tuple[tuple[str, str, Test], ...] = (
    ("charge", r"\((?P<n>\d+)(?P<sign>[+-])\)", _charge(lambda q, m: q == int(m["sign"] + m["n"]))),
    ("charge", r"\b(?P<n>mono|di|tri|tetra|penta|hexa)anion", _charge(lambda q, m: q <= -_ION[m["n"]])),
    ("charge", r"\b(?P<n>mono|di|tri|tetra)cation", _charge(lambda q, m: q == _ION[m["n"]])),
    ("charge", r"(?:\b|ox|carb)anion", _charge(lambda q, m: q < 0)),
    ("charge", r"\bcation", _charge(lambda q, m: q > 0)),
    ("charge", r"\b(?:ammonium|iminium|\w+onium|pyridinium) ion(?: derivative)?", _charge(lambda q, m: q > 0)),
    ("charge", r"\bzwitterion", _zwitterion),
    ("salt", r"\bsalt", _salt),
    *(("salt", rf"\b{name} salt", _contains(symbol)) for name, symbol in _METALS.items()),
    ("salt", r"(?<!ketone )(?<!aldehyde )\bhydrate", _component("O")),
    ("salt", r"\bhydrochloride", _component("Cl", "[Cl-]")),
    ("salt", r"\bhydrobromide", _component("Br", "[Br-]")),
    ("rings", rf"\b(?P<sort>hetero|carbo)?(?P<n>{_MULTIPLE})cyclic (?:{_CYCLIC})s?", _ring_system),
    ("rings", r"\b(?:macrocycle|macrocyclic lactone|macrolide|macrolide antibiotic)s?", _macrocycle),
    ("rings", r"\bring assembly", _ring_assembly),
    ("rings", r"\bspiro(?:cyclic)? compound", _descriptor("CalcNumSpiroAtoms")),
    ("rings", r"\bbridged compound", _descriptor("CalcNumBridgeheadAtoms")),
    *(("named ring", rf"(?:^|\bmember of ){name}", _has(pattern)) for name, pattern in _RINGS.items()),
    *(("group", rf"\b(?:{phrase})", _has(*patterns.split())) for phrase, patterns in _HAVING.items()),
    ("group", r"\bprimary (?:allylic |propargylic |fatty )?alcohol", _alcohol(1)),
    ("group", r"\bsecondary (?:allylic |propargylic |fatty )?alcohol", _alcohol(2)),
    ("group", r"\btertiary (?:allylic |propargylic )?alcohol", _alcohol(3)),
    ("group", r"\bpolyphenol", _has("fr_Ar_OH", least=2)),
    ("group", r"\b(?P<n>di|tri|tetr|pent|hex)ol", _polyol),
    ("group", r"\baromatic ether", _touches("fr_ether", _is_aromatic, "on an aromatic ring")),
    ("group", r"\bcyclic ether", _touches("fr_ether", _is_ring_oxygen, "in a ring")),
    ("group", r"\bcyclic ketone", _touches("fr_ketone", _is_ring_carbonyl, "in a ring")),
    ("group", r"\baromatic ketone", _touches("fr_ketone", _is_aromatic, "on an aromatic ring")),
    ("group", r"\b(?P<n>mono|di|tri|tetra)carboxylic acid", _has_exactly("CarboxylicAcid")),
    ("group", r"\bmethyl ester", _touches("fr_ester", _is_methyl, "with a methyl group")),
    ("group", r"\b(?:(?:gamma|delta|beta)-|(?:di|sesqui)?terpene )?lactone|\bbutenolide", _lactone),
    ("group", r"\b(?:organic sulfide|aryl sulfide|methyl sulfide|thioether)", _sulfide),
    ("group", rf"\b(?P<n>{_MULTIPLE})methoxybenzenes?", _methoxy_on_benzene),
    *(("element", rf"\borgano{name} compound", _element(symbol)) for name, symbol in _ELEMENTS.items()),
    ("element", rf"\b(?P<n>{_MULTIPLE})(?P<x>chloro|fluoro|bromo|iodo)benzenes?", _halogen_on_benzene),
    ("element", r"(?<!ated )(?<!ated polycyclic )\bhydrocarbon|\balkane|\balkene", _hydrocarbon),
    ("element", r"\bone-carbon compound", _one_carbon),
    ("chain", rf"\b(?P<length>short|medium|very long|very-long|ultra-long|long)-chain {_FATTY}", _chain),
    ("chain", rf"\b(?P<sort>polyun|monoun|un|)saturated {_FATTY}", _saturation),
    ("chain", rf"\b(?P<sort>straight|branched|methyl-branched)(?:-chain)? {_FATTY}", _branches),
    ("chain", rf"\bC(?P<c>\d+)[,:]? {_FATTY}", _carbons),
    ("isotope", r"\bdeuterated compound", _isotopes("H", 2)),
    ("isotope", r"\bisotopically (?:modified|labelled) compound|\bisotopologue", _isotopes("")),
    ("isotope", r"\(13\)C-modified compound", _isotopes("C", 13)),
    ("stereo", r"\b(?P<way>[LD])-(?:alpha-)?amino acid(?: anion| zwitterion| cation)?", _amino_acid),
)
_COMPILED = tuple((kind, re.compile(f"(?:{pattern})$"), test) for kind, pattern, test in _CLASSES)


# ---- statements of other forms --------------------------------------------------------------------------------------

_CONJUGATE = re.compile(
    r"(?:an? |the )?conjugate (acid|base) of (?:an? |the )?(.+?)(?:,? (?:arising|obtained|resulting|formed)\b.*)?$"
)
_MARKED = re.compile(r"\((\d+)([+-])\)(?: \([a-z ]+\))?$")


def _conjugate(one: Structure, said: str) -> Decision | None:
    """The charge must be higher than that of the base, and lower than that of the acid."""
    match = _CONJUGATE.match(said)
    if not match:
        return None
    sort, parent = match[1], match[2]
    if marked := _MARKED.search(parent):
        other = int(marked[2] + marked[1])
    elif re.search(r"onio|ato-|oxido", parent):  # names of zwitterions
        return None
    elif re.search(r"(?:cation|ium)$", parent):
        other = 1
    elif re.search(r"anion$", parent):
        other = -1
    elif re.search(r"ate$", parent):
        if sort == "base":  # "sulfate" is also an ester that can lose a proton
            return None
        other = -1
    elif re.search(r"(?:zwitterion|acid|[a-z](?:ol|ine|one)|CoA)$", parent):
        other = 0
    else:
        return None
    true = one.charge > other if sort == "acid" else one.charge < other
    return Decision("conjugate", true, f"the charge is {one.charge:+d}, that of its conjugate {other:+d}")


_FORMULA = re.compile(r"\bformula (?:of |is )?((?:[A-Z][a-z]?\d{0,3}){2,})(?![\w([+-])")


def _formula(one: Structure, said: str) -> Decision | None:
    match = _FORMULA.search(said)
    if not match:
        return None
    from rdkit.Chem import rdMolDescriptors

    stated = Counter[str]()
    for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", match[1]):
        stated[symbol] += int(number or 1)
    return Decision("formula", stated == +one.elements, f"the formula is {rdMolDescriptors.CalcMolFormula(one.mol)}")


_ISOTOPE = re.compile(r"\bisotope of (\w+) with (?:relative )?atomic mass (?:of )?(\d+\.\d+)")


def _nuclide(one: Structure, said: str) -> Decision | None:
    match = _ISOTOPE.search(said)
    if not match:
        return None
    from rdkit import Chem

    table = Chem.GetPeriodicTable()
    names = {table.GetElementName(atom.GetAtomicNum()).lower() for atom in one.mol.GetAtoms()}
    stated = (match[1].lower() in names) and round(float(match[2])) in {mass for _, mass in one.isotopes}
    labelled = ", ".join(f"{mass}{symbol}" for symbol, mass in sorted(one.isotopes)) or "none"
    return Decision("isotope", stated, f"labelled atoms: {labelled}")


_STEREOISOMER = re.compile(
    r"\(?the ((?:\d+[a-z]?'*[RSEZ],? ?(?:and )?)+)[ -]?(?:stereoisomer|diastereomer|diastereoisomer|enantiomer|isomer)"
)
_CONFIGURATION = re.compile(
    r"the \(?([RS])\)?-(?:enantiomer|stereoisomer|isomer)\b|\b(?:having|with|has) (?:an? )?\(?([RS])\)?-configuration"
)


def _configuration(one: Structure, said: str) -> Decision | None:
    """Labels of all stereo centres and double bonds; only if as many are stated as there are, and none is open."""
    match = _STEREOISOMER.search(said)
    single = _CONFIGURATION.search(said)
    if match:
        stated = Counter(re.findall(r"\d+[a-z]?'*([RSEZ])", match[1]))
    elif single:
        stated = Counter([single[1] or single[2]])
    else:
        return None
    found = Counter({label: number for label, number in one.labels.items() if label in "RSEZ"})
    if not set(stated) & {"E", "Z"}:
        found = Counter({label: number for label, number in found.items() if label in "RS"})
    if stated.total() != found.total():
        return None
    return Decision("stereo", stated == found, f"the labels are {_list(sorted(found.elements()))}")


_SUBSTITUTED = re.compile(r"\b(?:substituted (?:at positions? [\w,' -]+? )?by|carrying|bearing|replaced by) (.+)")
_ITEM = re.compile(
    r"(?:^|(?:, and |, | and | or |by ))(?:an? |the )?(?:additional |alpha-|beta-)?"
    r"(?:(one|two|three|four|five|six) )?(?:additional )?([a-z-]+?)(?: and ([a-z-]+?))? "
    r"(?:group|substituent|moiet)(?:s|y|ies)?\b"
)

# Substituents by name, with RDKit's patterns, or with an element.
SUBSTITUENTS = {
    "hydroxy": ("fr_Al_OH", "fr_Ar_OH", "Alcohol"),
    "hydroxyl": ("fr_Al_OH", "fr_Ar_OH", "Alcohol"),
    "methoxy": ("fr_methoxy",),
    "ethoxy": ("OEt",),
    "nitro": ("fr_nitro",),
    "nitroso": ("fr_nitroso",),
    "cyano": ("fr_nitrile",),
    "amino": ("fr_NH2", "Amine.Primary"),
    "azido": ("fr_azide",),
    "carboxy": ("CarboxylicAcid",),
    "acetyl": ("Ac",),
    "acetamido": ("NHAc",),
    "acetoxy": ("OAc",),
    "acetyloxy": ("OAc",),
    "formyl": ("fr_aldehyde", "CHO"),
    "oxo": ("fr_C=O",),
    "sulfanyl": ("fr_SH",),
    "methylsulfanyl": ("SMe",),
    "trifluoromethyl": ("CF3",),
    "phenyl": ("fr_benzene",),
    "ethyl": ("Et",),
    "isopropyl": ("iPr",),
    "tert-butyl": ("tBu",),
}
SUBSTITUENT_ATOMS = {"chloro": "Cl", "fluoro": "F", "bromo": "Br", "iodo": "I"}


def count_substituent(one: Structure, name: str) -> int | None:
    """How often a substituent occurs in a molecule; None if its name is not known."""
    if name in SUBSTITUENT_ATOMS:
        return one.elements[SUBSTITUENT_ATOMS[name]]
    if name == "methyl":
        return sum(map(_is_methyl, one.mol.GetAtoms()))
    return one.count(*SUBSTITUENTS[name]) if name in SUBSTITUENTS else None


def _groups(one: Structure, said: str) -> Decision | None:
    """Substituents that a structural description names: each must occur, at least in the number that is stated."""
    match = _SUBSTITUTED.search(said)
    if not match:
        return None
    enough, seen = True, []
    for number, *names in _ITEM.findall(match[1]):
        for name in filter(None, names):
            there = count_substituent(one, name)
            if there is not None:
                enough &= there >= _COUNTS.get(number, 1)
                seen.append(f"{there} × {name}")
    return Decision("substituent", enough, f"it has {_list(seen)}") if seen else None


# ---- reading a statement --------------------------------------------------------------------------------------------

_SUBJECT = re.compile(r"(?:The molecule|The compound|This compound|It) (is|has|belongs to) (.+?)\.?$")
_FRAME = re.compile(
    r"^(?:(?:an?|the|one of the) (?:member of (?:the )?(?:class of )?|class of )?"
    r"|(?:the )?class of |member of (?:the )?(?:class of )?)",
    re.I,
)
_REST = re.compile(
    r",| (?:that|which|in which|where|whose|obtained|isolated|found|with|having|formed|derived|resulting|arising"
    r"|consisting|composed|substituted|carrying|bearing|containing|used|comprising|produced|formally|known|from|by|for"
    r"|at|and|or)\b"
)
_OTHERS = (_conjugate, _formula, _nuclide, _configuration, _groups)


def decide(statement: str, one: Structure) -> Decision | None:
    """Whether a statement about a molecule is true; None if the structure does not decide it.

    Args:
        statement: an atom, such as "The molecule is a secondary alcohol."
        one: the structure of the molecule.

    Returns:
        The first part of the statement that is false, if one is; else the first that is true.
    """
    if " is not " in statement:
        # "Not A that is B" is true without A. Only where A is all that is said, it is false with A.
        affirmed = statement.replace(" is not ", " is ", 1)
        found = decide(affirmed, one)
        if not found or (found.true and _REST.search(affirmed)):
            return None
        return Decision(found.kind, not found.true, found.reason)
    decisions = list(decisions_of(statement, one))
    return next((found for found in decisions if not found.true), decisions[0] if decisions else None)


def decisions_of(statement: str, one: Structure) -> Iterator[Decision]:
    """All parts of a statement that the structure decides."""
    match = _SUBJECT.match(statement)
    if not match:
        return
    said = match[2]
    framed = _FRAME.match(said)
    head = _REST.split(said[framed.end() :], maxsplit=1)[0] if framed and match[1] != "has" else ""
    plural = "member of " if re.search(r"\bmember of (?!the class)", said[:20]) else ""
    for kind, pattern, test in _COMPILED if " of " not in head else ():
        found = pattern.search(plural + head)
        if found and (result := test(one, found)) is not None:
            yield Decision(kind, *result)
    for read in _OTHERS:
        if decision := read(one, said):
            yield decision


def structure_of(smiles: str | None) -> Structure | None:
    """The structure of a SMILES; None if RDKit reads no molecule."""
    molecule = parse_smiles(smiles) if smiles else None
    return Structure(molecule) if molecule is not None else None


def _times(number: int) -> str:
    return {0: "nowhere", 1: "once", 2: "twice"}.get(number, f"{number} times")


def _list(items: list) -> str:
    return ", ".join(map(str, items)) or "no"
