"""Molecules of the embedded world: small organic molecules, made by adding substituents to scaffolds."""

from dataclasses import dataclass
from functools import cache
from random import Random

from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from molmix.core.errors import fault

CHAINS = """
    CC CCC CCCC CCCCC CCCCCC CCCCCCC CCCCCCCC CCCCCCCCC CCCCCCCCCC CCCCCCCCCCC CCCCCCCCCCCC
    CC(C)C CCC(C)C CC(C)CC(C)C CCC(CC)CC CC(C)(C)C CCOCC CCCOCCC CCOCCOCC CCC=CCC
    CCCCC(=O)OCC CCC(=O)CCC CCCC(=O)NCC CCCNCCC CCCSCCC
""".split()  # noqa: SIM905 - easier to read than a list
RINGS = """
    c1ccccc1 n1ccccc1 o1cccc1 s1cccc1 [nH]1cccc1 [nH]1cncc1 Cn1cncc1 [nH]1nccc1 o1cncc1
    s1cncc1 n1cnccc1 n1ccncc1 n1ncccc1
    c1ccc2ccccc2c1 c1ccc2ncccc2c1 c1ccc2cnccc2c1 c1ccc2[nH]ccc2c1 c1ccc2occc2c1 c1ccc2sccc2c1
    c1ccc2[nH]cnc2c1 c1ccc2ncsc2c1 c1ccc2OCOc2c1 c1ccc2CCCc2c1 c1ccc2CCCCc2c1 c1ccc2OCCc2c1
    C1CC1 C1CCC1 C1CCCC1 C1CCCCC1 C1CCCCCC1 N1CCCC1 N1CCCCC1 N1CCNCC1 O1CCNCC1
    O1CCCC1 O1CCCCC1 S1CCNCC1 C1CCC2CCCCC2C1 O=C1CCCC1 O=C1CCCCC1 O=C1CCCN1 O=C1OCCC1
    c1ccc(cc1)c1ccccc1 c1ccc(cc1)Oc1ccccc1 c1ccc(cc1)Cc1ccccc1 c1ccc(cc1)N1CCOCC1 c1ccc(cc1)CN1CCCCC1
    c1ccc(cc1)c1ccccn1 c1ccc(cc1)c1cccs1 c1ccc(cc1)C1CCCCC1 O=C(c1ccccc1)c1ccccc1 O=c1ccc2ccccc2o1
    O=C1c2ccccc2C(=O)c2ccccc21 c1ccc2cc3ccccc3cc2c1 O=C(Nc1ccccc1)c1ccccc1 O=C(N1CCCCC1)c1ccccc1
""".split()  # noqa: SIM905 - easier to read than a list
CHAIN_SHARE = 0.15  # of molecules, without any ring

# Substituents, by the element that their first atom binds to. A repeated one is drawn more often.
_ON_CARBON = """
    O O O O O N N N C(=O)O C(=O)O C(=O)[O-] C(=O)[O-] [NH3+] [NH3+]
    [N+](C)(C)C C(=O)OC C(=O)OCC OC(C)=O C(N)=O C(=O)NC NC(C)=O [N+](=O)[O-] [N+](=O)[O-]
    C#N C#N F F Cl Cl Br Br OC OC OCC C(C)=O C(=O)CC C=O C=O S S
    S(N)(=O)=O S(N)(=O)=O S(=O)(=O)[O-] S(=O)(=O)NC C C CC C(C)C CCCCCC CCCCCCCC
    CO CCO CN C[NH3+] CC(=O)O CC(=O)[O-] COC C(F)(F)F NC N(C)C SC
""".split()  # noqa: SIM905 - easier to read than a list
_ON_NITROGEN = """
    C CC CCC C(C)C C(C)=O C=O CCO CCN CC(=O)O CC(=O)OCC CCOC CCCCCC
""".split()  # noqa: SIM905 - easier to read than a list
SUBSTITUENTS = {"C": _ON_CARBON, "N": _ON_NITROGEN}
NUMBER_WEIGHTS = (25, 45, 30)  # of one, two and three substituents
SAME_SHARE = 0.3  # of molecules whose substituents are all the same, so that counts above one are common
LENGTHS = range(7, 46)  # characters of a SMILES string
_MOST_DRAWS = 60  # per molecule; after so many, no further molecule is assumed to exist


@dataclass(frozen=True)
class Molecule:
    """A molecule (canonical SMILES) and its Bemis-Murcko scaffold (SMILES, empty without a ring)."""

    smiles: str
    scaffold: str


def molecules(n: int, seed: int) -> list[Molecule]:
    """The first ``n`` distinct molecules of the seed's sequence."""
    rng = Random(f"molecules {seed}")
    found: dict[str, Molecule] = {}
    for _ in range(_MOST_DRAWS * n):
        if len(found) == n:
            break
        smiles = _draw(rng)
        if len(smiles) in LENGTHS and smiles not in found:
            found[smiles] = Molecule(smiles, _scaffold(smiles))
    if len(found) < n:
        what = f"the embedded world has fewer than {n} molecules"
        raise fault("world.molecules", what, f"ask for {len(found)} at most")
    return list(found.values())


def _draw(rng: Random) -> str:
    """Canonical SMILES of one scaffold with one to three substituents."""
    scaffold = rng.choice(CHAINS if rng.random() < CHAIN_SHARE else RINGS)
    molecule, sites = _attachment_sites(scaffold)
    (number,) = rng.choices((1, 2, 3), NUMBER_WEIGHTS)
    all_same = rng.random() < SAME_SHARE
    favourite = {symbol: rng.choice(choices) for symbol, choices in SUBSTITUENTS.items()}
    built = Chem.RWMol(molecule)
    for site in rng.sample(sites, min(number, len(sites))):
        symbol = molecule.GetAtomWithIdx(site).GetSymbol()
        start = built.GetNumAtoms()
        built.InsertMol(_fragment(favourite[symbol] if all_same else rng.choice(SUBSTITUENTS[symbol])))
        built.AddBond(site, start, Chem.BondType.SINGLE)
    Chem.SanitizeMol(built)
    return Chem.MolToSmiles(built)


@cache
def _attachment_sites(scaffold: str) -> tuple[Chem.Mol, tuple[int, ...]]:
    """A scaffold and the indices of the atoms that can bind a substituent.

    These are aromatic CH, saturated CH not next to N, O and S (to avoid aminals, acetals and similar) and
    saturated NH.
    """
    molecule = Chem.MolFromSmiles(scaffold)
    free = Chem.MolFromSmarts("[$([c;!H0]),$([CX4;!H0;!$(C~[N,O,S])]),$([NX3;!H0;!$(NC=O)])]")
    return molecule, tuple(match[0] for match in molecule.GetSubstructMatches(free))


@cache
def _fragment(smiles: str) -> Chem.Mol:
    # Not sanitised: the first atom has an open valence until it is bound.
    return Chem.MolFromSmiles(smiles, sanitize=False)


def _scaffold(smiles: str) -> str:
    return str(MurckoScaffold.MurckoScaffoldSmiles(smiles))  # type: ignore[no-untyped-call]
