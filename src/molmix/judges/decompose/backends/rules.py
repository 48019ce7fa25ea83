"""Rule-based decomposition of templated English captions (L+M-24, ChEBI-20 and similar). It needs no model.

A caption is cut into sentences, a sentence into clauses at verbs of a closed list ("… is a dye **that impacts** …
**and belongs to** …"), and the list after each verb into its items. Subject and verb are repeated for every item, so
that each atom can be read alone. Text that the rules do not understand is not split: a clause that describes a
structure ("in which …", "substituted by …", "… respectively") is one atom, and so is a sentence with another subject or
in another language. "It" is the molecule, or the subject of the sentence before ("Lead is a metal. It is soft.").
A sentence that needs the one before ("It has no rings. The same is true of halogens.") is an atom together with it.
Nothing else is made independent of its context: words of the caption stay as they are (Molecular Facts, arXiv
2406.20079).

No atom may say more than its caption. A list is split only if words that apply to the whole list can be repeated for
each item: the verb with its "not", an article, "an inhibitor of". If a negation, an upper limit or a hedge ("no rings
and halogens", "at most two", "only", "unlikely to be") or a complement ("soluble in water and ethanol") can also apply
to the later items, the list is not split. It is also not split if a later item is negated ("a dye and not a wax").
Where commas and "and" do not separate items of the list, :data:`_JOINED` says so, pattern by pattern.

List markers, sources in brackets ("(NTP, 1992)"), HTML character references and the incomplete end of a truncated
caption ("… a conjugate base of a") are not statements. They are dropped, and so are repeats and text without a letter
or digit. Nothing else is dropped. The time is linear in the length of the caption.
"""

import html
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from molmix.judges.decompose.backends._decomposer import DecomposerSettings
from molmix.judges.decompose.text import (
    OTHER_SENTENCE_END,
    SHOWN,
    clean,
    hide,
    says_something,
    sentence,
    without_sources,
)

SUBJECT = "The molecule"

# ---- English ---------------------------------------------------------------------------------------------------

_SUBJECTS = r"(?:(?P<it>it)|(?:the|this) (?:molecule|compound|substance|chemical|drug))"
_DETERMINER = re.compile(
    r"(?:an?|the|no|any|some|several|many|multiple|few|little|zero|at least|at most|up to|(?:more|fewer|less) than|\d+"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) ",
    re.I,
)
_ARTICLE = re.compile(r"an? ", re.I)
# Nouns in the last item that belong to all items: "hydroxy and amino groups", "AMP and CMP units joined in a chain".
_SHARED_HEAD = re.compile(
    r"\b(?:groups|rings|atoms|substituents|properties|activit(?:y|ies)|effects|classes|units|residues|metabolism|pathways?"
    r"|positions|configurations?|reagent|agents|risk)(?: |$)",
    re.I,
)
# In "used as a fuel for rockets and small engines", only the meaning shows to which word the last item belongs.
_USE = re.compile(r"(?:used|employed|useful) ")
_COMPLEMENT = re.compile(r"(?:^| )(?:for|in|on|of|to|as|against|with) ")
# An item that is incomplete without the next: "a potent and selective inhibitor", "(E)- and (Z)-dimethomorph", "a bond
# at the 1 and 2 positions".
_QUALIFIER = re.compile(
    r"(?:potent|selective|specific|strong|weak|reversible|irreversible|competitive|natural|\S-|\bthe [\d,']+)$"
)
# Texts before and after "¦" that belong together, if the text after it has no article or number.
_JOINED = re.compile(
    # adjectives: "a heavy, ¦volatile liquid", "a washing and ¦cleaning agent", "acute and ¦chronic pain"
    r"^an? (?:very |[a-z]+ly )?(?:[\w-]+(?:ble|ous|less|based|occurring|rich|spectrum)|crystalline|heavy|novel|oily"
    r"|rare|solid|synthetic|semisynthetic|waxy|white|yellow|red)(?:, [\w-]+)*, ¦"
    r"|(al|ar|ary|ble|ed|ic|ing|ive|less|like|ly|ous) and ¦[\w-]+\1 \w|\bacute and ¦chronic"
    # a name in two forms: "an ABC1 and ¦ABC2 blocker"
    r"|(?<![\w-])([A-Z]\w\w)[\w-]* and ¦\2[\w-]* [\w-]"
)
# The start of what is no item of a list, if it has no article or number.
_NO_ITEM = re.compile(
    # "a wax in wool, in silk", "a wax, being a salt", "a dye, clear or red"
    r"(?:in|on|of|for|by|as|from|to|with|at|being|thereby|then|it|they|which|most|frequently|similar|related|\w+ or) "
    # "a dye, widely made in Spain", "a dye, giving a red wool"
    r"|(?:[a-z]+ly )?(?:[a-z]+ed|made|known|sold|found|given) (?:in|on|by|as|to|from|at|for|with|under|when) "
    r"|[a-z]+ing (?:an?|the|its) "
    # "a gum and works by swelling", "a dye, madder is a plant"
    r"|[a-z]+s (?:an?|the|with|by|on|to|as) |.* (?:is|are|was|were|has|have|can|may|inhibits|acts) "
)
# Adjectives with the meaning of _LIMIT below.
_SCANT = (
    r"(?:insufficient|inadequate|negligible|minimal|marginal|insignificant|limited|low|poor|possible|potential|probable"
    r"|suspected|putative|alleged|presumed|hypothetical|doubtful|former)"
)
# Words that restrict an item, which would say more without them: negations, upper limits, exclusions, hedges.
_LIMIT = re.compile(
    r"\b(?:no|not|cannot|\w+n['’]t|none|never|neither|nor|nil|zero|(?<![.,:/]\b)0(?![.,:/])|(?<!\ba )few|fewer|little"
    r"|less than|at most|up to|under|below|maximum|only|solely|exclusively|(?:anything|nothing|all) but"
    r"|hardly|scarcely|rarely|seldom|barely|almost|nearly|virtually|practically|close to|far from|short of"
    r"|(?:un)?likely|possibly|perhaps|maybe|probably|potentially|presumably|supposedly|allegedly|reportedly|formerly|once"
    r"|may|might|could|to be|unable|incapable|impossible|fail(?:s|ed|ing)?"
    r"|lacking|lacks?|absence of|absent|devoid of|free (?:of|from)|without|except|excluding|unlike|other than"
    rf"|apart from|{_SCANT})\b(?!-)",
    re.I,
)
# A limit with an article. It does not apply to the next item if that has its own article.
_OWN_LIMIT = re.compile(rf"(?:no (?!longer |more )|an? {_SCANT} )", re.I)
# Words that apply to the items together: "sodium and chloride in the ratio 1:2", "a mixture of fats and oils".
_TOGETHER = re.compile(
    r"\b(?:ratio|proportions?|equimolar|together|respectively|\d+:\d+ composition|compris\w+ of"
    r"|(?:mixture|combination|blend|copolymer|alloy|complex|reaction|condensation|addition) (?:of|with|between))\b|;",
    re.I,
)
# Words that are repeated for each item of a list without an article.
_FUMES = re.compile(r"(?:fumes|vapou?rs|gases) of ")

_RELATIVES = r"(?:conjugate (?:acid|base)|enantiomer|epimer|tautomer|stereoisomer|diastereoisomer|isomer)"
_PARTICIPLES = (
    r"(?:used|employed|useful|found|present|isolated|obtained|derived|extracted|produced|formed|known|classified"
    r"|characterized|identified|described|discovered|detected|synthesized)"
)
_PREPOSITIONS = r"(?:as|in|from|by|for)"
_PLAIN = (
    r"contain|possess|possesse|bear|carry|carrie|include|lack|show|exhibit|display|impact|affect|influence|inhibit|activate"
    r"|target|treat|cause|emit|require|undergoe|induce|reduce|prevent|stimulate|promote|enhance|suppresse"
)
_AS = r"act|serve|function|work"
_VERB = (
    rf"(?:(?:is|was)(?: not)?(?: an? {_RELATIVES} of(?= an? )| functionally related to(?= an? )"
    rf"| a natural product found in| {_PARTICIPLES} {_PREPOSITIONS})?"
    rf"|(?:has|does not have)(?: a role as| an effect on| been {_PARTICIPLES} {_PREPOSITIONS})?"
    rf"|(?:(?:{_PLAIN})s|does not (?:{_PLAIN}))"
    rf"|(?:(?:{_AS})s|does not (?:{_AS})) as"
    r"|(?:belongs|does not belong) to|(?:derives|does not derive) from|consists of)"
)
# Verb forms without their own subject, and the finite form in an atom.
_NONFINITE = {
    "impacting": "impacts",
    "affecting": "affects",
    "impact": "impacts",
    "affect": "affects",
    "known to impact": "impacts",
    "known to affect": "affects",
    "containing": "contains",
    "belonging to": "belongs to",
    "acting as": "acts as",
    "serving as": "serves as",
    "known to have an effect on": "has an effect on",
    "with an effect on": "has an effect on",
    "with effects on": "has an effect on",
    "impacts on": "impacts",
    "with the characteristic of being": "is",
}
# Verbs after "that" which change a bare name: "urea that has two hydrogens replaced" is no urea.
_BUILT = re.compile(r"(?:is|was|has been) substituted|has|lacks|bears|carries|contains|possesses")
# From these words to its end, a clause describes a structure or a circumstance: its commas and "and"s are not a list.
_OPAQUE = (
    r"(?:in which|of which|where|wherein|whereby|whose|when|while|with|having|bearing|carrying|substituted|composed"
    r"|comprising|consisting|resulting|arising|formed|obtained|derived|isolated|produced|found|used|useful|between"
    r"|replaced|joined|linked|attached|at positions?|via|from|by|after|against|during|through|either|neither|or"
    r"|not only|that|which|who|including|particularly|especially|primarily|mainly|such as|been"
    r"|without|free of|free from|devoid of|lacking|except|unless|if|rather than|instead of|but not)"
)
_AFTER_ARTICLE = "".join(rf"(?<!\b{article}{end})" for article in ("a", "an", "the") for end in ("", " "))

# Words that join a sentence to the one before and state nothing.
_JOINER = re.compile(
    r"\A(?:besides(?: that)?|what is more|in addition|moreover|furthermore|additionally|however|also|finally), +(?=\S)",
    re.I,
)
# A sentence that cannot be understood without the one before.
_ANAPHOR = re.compile(
    r"(?:of )?the (?:first|second|third|last|former|latter|same|other)(?: (?:of (?:these|the|them)|is|are|has)\b|,)"
    r"|(?:neither|none|both|each|all) of (?:these|them)\b",
    re.I,
)
_NEITHER = re.compile(r"(?P<verb>is|was) neither (?P<one>[^,;]+?) nor (?P<other>[^,;]+)$")
_NOR = re.compile(r"nor (?P<verb>does|is|was) it (?P<rest>.+)", re.I)
_LEAD = r"(?:(?:when|if|upon|in|on|at|after|under|during)\b[^,]{1,80}?,? )?"
_SUBJECT = re.compile(_SUBJECTS, re.I)
_STATEMENT = re.compile(rf"(?P<lead>{_LEAD}){_SUBJECTS} (?=\S)", re.I)
_START = re.compile(rf"(?P<verb>{_VERB}) (?=\S)", re.I)
# What can follow the objects of a verb: another verb, or the start of an opaque part.
_TURN = re.compile(
    rf"(?P<link>,? (?:and|but|that|which)|,) (?P<verb>impacts on|{_VERB}) (?=\S)"
    rf"|(?P<comma>(?:,? and|,| by)?) (?P<nonfinite>{'|'.join(_NONFINITE)}) (?=\S)"
    rf"|{_AFTER_ARTICLE}(?:,? |(?<= ))(?P<opaque>{_OPAQUE}) ",  # "a substituted aniline" contains no clause
    re.I,
)
# After a participle (" isolated from … and exhibits …"), the subject of a verb is the molecule again, unless there is a
# clause with its own subject between them.
_RESUMED = re.compile(
    rf"(?:,? | )(?:isolated|obtained|derived|produced|formed|found|used)"
    rf"(?:(?! (?:in which|of which|that|which|who|whose|where\w*|when|while|is|are|was|were|has|have) ).)*?"
    rf"(?P<link>,? and) (?P<verb>{_VERB}) (?=\S)",
    re.I,
)
_AGAIN = re.compile(rf"(?:, (?:and |but )?| and )it (?={_VERB} )", re.I)
_CLASSES = re.compile(r"((?:a member of )?the )(.+) classes( of molecules|)", re.I)
_SEPARATOR = re.compile(r"(,? (?:and|as well as) |, )", re.I)
_NEAR = 60  # characters before and after a separator that decide about it
_NUMBERING = re.compile(r"[\d\W]+|[IVX]+|[A-Za-z]")  # "types 1 and 2", "pyochelin I and II"

# Sentences without a subject, and the words that would follow the subject.
_SPECIES = r"(?:major|main|principal|predominant) (?:micro)?(?:species|structure) (?:present )?at "
_OWN_VERB = r"(?<! it)(?<! that)(?<! which) (?:is|are|was|were|has|have|had|can|may)\b"
_FRAGMENTS = (
    (re.compile(rf"(?:also |first |commonly |widely )?{_PARTICIPLES} (?:\(\S+ )?(?:{_PREPOSITIONS}|to) ", re.I), "is "),
    (re.compile(_SPECIES, re.I), "is the "),
    (re.compile(rf"the (?:{_SPECIES}|\S*mer$)|one of ", re.I), "is "),
    (re.compile(rf"an? (?!.*{_OWN_VERB}|.*, (?!it )\w+ (?:{_PLAIN})s )", re.I), "is "),
    # "Very toxic by ingestion", "Heavier than air"
    (
        re.compile(
            r"(?:very |highly |slightly )?(?:in|non-?)?(?:corrosive|toxic|soluble|flammable|combustible|volatile)"
            rf"\b(?!.*{_OWN_VERB})|(?:(?:less|more) \w+|heavier|lighter|denser) than |likely to ",
            re.I,
        ),
        "is ",
    ),
    (re.compile(r"(?:may|can|might) (?=\w+ )", re.I), ""),
    (_START, ""),
)
# "It" that is not the molecule: "it is known that dyes fade", "it means that dyes fade".
_NO_SUBJECT = re.compile(
    r"(?:(?:is|was|has been) (?:\w+ed|known|thought|shown|found|\w+ble|likely)|means|follows|seems) that "
)
# A subject that "it" in the next sentence takes up, if that sentence is not of a template that is about the molecule.
_OTHER_SUBJECT = re.compile(
    r"(?!(?:This|These|Those|They|Its?|There|Others?|Some|Most|Many|Both|Each|All|Such|What|In|On|At|If|As|By|Of|With|For|From"
    r"|When|While|Upon|Once|After|However|Although|Because|Since|Due|Hence|Thus|Therefore|Like|Unlike|Neither"
    r"|None|The (?:molecule|compound|substance|chemical|drug|same|first|second|third|last|former|latter|other)) )"
    rf"(?P<subject>[A-Z0-9(]\S*(?: [\w-]+){{0,2}}?) (?:appears|also|{_VERB}) "
)
_TEMPLATE = re.compile(r"(?:is (?:an?|the|one|functionally)|has a role|derives|contains an?) ")

# ---- text ------------------------------------------------------------------------------------------------------

_ENDS = " .!?,;:\ue000\ue001\ue002\ue003"
# The last three are for a missing blank or full stop: "at position 3.It is a dye", "helps insomnia.Others do not", "at
# pH 7.3 It is an anion".
_SENTENCE_END = re.compile(
    r"(?<=[.!?]) +|; (?!(?:and|or|of|but|thereby|therefore,) |\(?\d{1,2}\)|\[)"
    rf"|(?<=\w[.!?])(?=(?:It|The molecule) {_VERB} )|(?<=[a-z][a-z][.!?])(?=[A-Z][a-z]+ )"
    rf"|(?<![,:]) (?=(?:It|The molecule) {_VERB} )|{OTHER_SENTENCE_END}"
)
_REFERENCE = re.compile(r"&(?:#\d{1,7}|#x[0-9a-f]{1,6}|[a-z]\w{1,30});", re.I)  # of HTML: "&lt;"
_MARK = r"(?:\(?\d{1,2}[.)]|\(?[a-z]\)|\([ivx]{1,4}\))"  # "1.", "2)", "(3)", "(a)", "(iv)"
_MARKED_LINE = re.compile(rf"\s*(?:^|\n)[ \t]*(?:[-*•·–—]|{_MARK})[ \t]+(?=\S)")
_MARKED_SENTENCE = re.compile(rf"(^|(?<=[.!?;:]) ){_MARK} (?=[A-Z])")
# Words that cannot end a statement. In lower case only: "vitamin A" and "heme a" are complete.
_DANGLING = re.compile(
    rf"(?:, an?| (?:(?:that|which)(?: (?:{_PLAIN})s| (?:{_AS})s)?|the|and|or|but|no|both|in|on|of|to|as|at|by|for|from"
    r"|with|is|was|has|have|does|its|containing|belonging)(?: an?)?)[ ,;:]*$"
)


class RulesSettings(DecomposerSettings):
    """Templates of English captions: no model, thousands of captions a second, the same atoms everywhere."""

    backend: Literal["rules"]

    def atoms(self, caption: str) -> list[str]:
        """Atoms of one caption."""
        return _atoms(caption)


def decompose(captions: Sequence[str]) -> list[list[str]]:
    """Atoms of each caption; see :class:`molmix.judges.decompose.Decomposed`."""
    return [_atoms(caption) for caption in captions]


def _atoms(caption: str) -> list[str]:
    *parts, last = _SENTENCE_END.split(hide(_unmarked(caption)).rstrip(_ENDS))
    parts.append(_completed(last) or ("" if any(map(says_something, parts)) else last))
    atoms: dict[str, None] = {}
    it, context = SUBJECT, ""
    for written in parts:
        part = _unjoined(written) if context else written
        statement = _STATEMENT.match(part)
        if statement and (not statement["it"] or _TEMPLATE.match(part, statement.end())):
            it = SUBJECT
        if context and _ANAPHOR.match(part):
            atoms[f"{context} {sentence(part[0].upper() + part[1:])}".translate(SHOWN)] = None
            continue
        atoms |= dict.fromkeys(_sentence_atoms(part, it))
        context = sentence(f"{it} {part[3:]}" if part[:3].lower() == "it " else part) if says_something(part) else ""
        if not statement:
            other = _OTHER_SUBJECT.match(part)
            it = other["subject"] if other else SUBJECT
    return list(atoms)


def _unjoined(sentence: str) -> str:
    """A sentence without the words that only join it to the one before."""
    text = _NOR.sub(r"It \g<verb> not \g<rest>", _JOINER.sub("", sentence))
    return sentence if text == sentence else text[0].upper() + text[1:]


def _unmarked(caption: str) -> str:
    """The text of a caption without HTML character references, sources and list markers."""
    text = _REFERENCE.sub(lambda match: html.unescape(match[0]), caption)
    text = _MARKED_LINE.sub(lambda match: ". " if match.start() else "", without_sources(text))
    return _MARKED_SENTENCE.sub(r"\1", clean(text))


def _completed(text: str) -> str:
    """The last sentence of a caption without an incomplete end; empty if nothing else remains."""
    before = None
    while before != text:
        before, text = text, _DANGLING.sub("", text)
    return "" if _SUBJECT.fullmatch(text) or not says_something(text) else text


@lru_cache(maxsize=20_000)  # systems often write the same sentences
def _sentence_atoms(text: str, it: str) -> tuple[str, ...]:
    shown = (clause.translate(SHOWN) for clause in _clauses(text.strip(" .!?,;:"), it))
    return tuple(sentence(clause) for clause in shown if says_something(clause))


# ---- sentences, clauses, lists -------------------------------------------------------------------------------------


def _clauses(sentence: str, it: str) -> Iterator[str]:
    """Atoms of one sentence, where "it" stands for the subject of the sentence before."""
    sentence = sentence.replace(" also ", " ")
    statement = _STATEMENT.match(sentence)
    if statement:
        rest = sentence[statement.end() :]
        if statement["it"] and _NO_SUBJECT.match(rest):
            yield sentence
            return
        subject = it if statement["it"] else SUBJECT
        if statement["lead"]:
            subject = statement["lead"] + (subject if subject != SUBJECT else "the molecule")
        neither = _NEITHER.match(rest)
        if neither:
            yield from (f"{subject} {neither['verb']} not {neither[item]}" for item in ("one", "other"))
        else:
            yield from _statements(subject, rest)
    elif sentence[:4].lower() == "its ":
        yield f"{it}'s {sentence[4:]}"
    else:
        start = next((start for pattern, start in _FRAGMENTS if pattern.match(sentence)), None)
        if start is None:
            yield sentence
        else:
            yield from _statements(SUBJECT, start + sentence[0].lower() + sentence[1:])


def _statements(subject: str, predicates: str) -> Iterator[str]:
    """Atoms about a subject: each verb with each item of its list."""
    for predicate in _AGAIN.split(predicates):
        start = _START.match(predicate)
        if not start:
            yield f"{subject} {predicate}"
            continue
        ahead: _Verb | None = _Verb(0, start["verb"].lower(), start.end())
        while ahead:
            _, verb, begin = ahead
            turn = _TURN.search(predicate, begin)
            limited = " not" in verb or bool(turn and _LIMIT.search(predicate, begin, turn.start()))
            ahead = _ahead(predicate, begin, turn, verb, limited) if turn else None
            end = ahead.start if ahead else len(predicate)
            listed = turn.start() if turn else end
            together = verb == "consists of" or _TOGETHER.search(predicate, begin, end)
            *items, last = [predicate[begin:listed]] if together else _items(predicate[begin:listed], verb)
            for item in [*items, last + predicate[listed:end]]:
                yield f"{subject} {verb} {item}"


class _Verb(NamedTuple):
    """A verb of the molecule: end of the text before it, its finite form, start of its objects."""

    start: int
    verb: str
    begin: int


def _ahead(predicate: str, begin: int, turn: re.Match[str], verb: str, limited: bool) -> _Verb | None:
    """The next verb with the same subject, if any. After "that" and similar words, the subject is the noun before it:
    the molecule only if that noun says what the molecule is, and not what it is not (`limited`), and is no bare name
    ("urea that has two hydrogens replaced"). An opaque part is skipped and never split."""
    if turn["opaque"]:
        resumed = _RESUMED.match(predicate, turn.start())
        return _Verb(resumed.start("link"), resumed["verb"].lower(), resumed.end()) if resumed else None
    leans = (turn["link"] or "").endswith(("that", "which")) or (turn["nonfinite"] and not turn["comma"])
    named = turn["verb"] and _BUILT.match(predicate, turn.start("verb")) and not _DETERMINER.match(predicate, begin)
    if leans and (limited or named or not verb.startswith(("is", "was"))):
        return None
    verb = (turn["verb"] or turn["nonfinite"]).lower()
    return _Verb(turn.start(), _NONFINITE.get(verb, verb), turn.end())


def _items(listed: str, verb: str) -> list[str]:
    """Items of a list ("a dye, a buffer and a ligand"), each with shared words; one item if it is not a list."""
    listed = listed.removeprefix("both ")
    classes = _CLASSES.fullmatch(listed)  # "the dye and pigment classes of molecules"
    if classes:
        return [f"{classes[1]}{item} class{classes[3]}" for item in _split(classes[2], verb)]
    return _split(listed, verb)


def _split(listed: str, verb: str) -> list[str]:
    parts = _SEPARATOR.split(listed)
    items, separators = parts[::2], parts[1::2]
    if any(_NUMBERING.fullmatch(item) or not item for item in items) or _share(items, separators, verb):
        return [listed]
    determined = any(map(_DETERMINER.match, items[1:]))
    split = items[:1]
    for separator, item in zip(separators, items[1:], strict=True):
        own = bool(_DETERMINER.match(item))
        head = "" if own else _head(split[0], item)
        if (
            _QUALIFIER.search(split[-1])
            or (not own and _NO_ITEM.match(item))
            or (not own and _JOINED.search(f"{split[-1][-_NEAR:]}{separator}¦{item[:_NEAR]}"))
            # "a dye for wool and silk"
            or (head and " and " in separators and _COMPLEMENT.search(split[-1].removeprefix(head)))
            # "a bitter and unpleasant taste and a pleasant odor"
            or (determined and not own and separator == " and ")
        ):
            split[-1] += separator + item
        else:
            split.append(head + item)
    return split


def _share(items: list[str], separators: list[str], verb: str) -> bool:
    """Whether items share words that cannot be repeated for each, so that their list is not split."""
    *before, last = items
    if not before:
        return False
    own = [bool(_DETERMINER.match(item)) for item in items]
    complements = [bool(_COMPLEMENT.search(item)) for item in before]
    for index, item in enumerate(before):
        # "no rings and a halogen" can be split, "no rings and halogens" and "no role as a dye and a fuel" cannot.
        limits = len(_LIMIT.findall(item))
        ends = limits == 1 and _OWN_LIMIT.match(item) and all(own[index + 1 :]) and not complements[index]
        if limits and not ends:
            return True
    # "a dye and not a wax", "a dye and isn't a wax": the verb does not apply to the item.
    if any(_LIMIT.match(item) and not determined for item, determined in zip(items[1:], own[1:], strict=True)):
        return True
    if any(own[1:]):
        # "similar to a dye and a wax"; "isolated from madder, a plant"
        return (any(complements) and not own[0]) or (separators == [", "] and (any(complements) or not own[0]))
    carried = bool(_head(items[0], last))
    return bool(
        separators == [", "]  # "a pale, volatile liquid"
        or " both " in before[0]  # "an inhibitor of both renin and trypsin"
        or items[0].lower().startswith("the ")  # "the treatment of pain and fever"
        or _SHARED_HEAD.search(last)  # "hydroxy and amino groups"
        or (_USE.search(verb) and any(map(_COMPLEMENT.search, items)))  # "a fuel for rockets and small engines"
        or (any(complements) and not carried)  # "soluble in water and ethanol"
    )


def _head(first: str, item: str) -> str:
    """Words of the first item that apply to a bare item: "an inhibitor of" in "an inhibitor of renin and trypsin"."""
    article = _ARTICLE.match(first)
    if " of " in first and " of " not in item and (article or _FUMES.search(first)):
        return first[: first.rindex(" of ") + len(" of ")]
    return article[0] if article else ""
