"""Rule-based decomposition of templated English captions (L+M-24, ChEBI-20 and similar). It needs no model.

A caption is cut into sentences, a sentence into clauses at verbs of a closed list ("… is a dye **that impacts** …
**and belongs to** …"), and the list after each verb into its items. Subject and verb are repeated for every item, so
that each atom can be read alone. Text that the rules do not understand is not split: a clause that describes a
structure ("in which …", "substituted by …", "… respectively") is one atom, and so is a sentence with another subject or
in another language.

No atom may say more than its caption. A list is split only if words that apply to the whole list can be repeated for
each item: the verb with its "not", an article, "an inhibitor of". If a negation, an upper limit or a hedge ("no rings
and halogens", "at most two", "only", "unlikely to be") or a complement ("soluble in water and ethanol") can also apply
to the later items, the list is not split. It is also not split if a later item is negated ("a dye and not a wax").

List markers, HTML character references and the incomplete end of a truncated caption ("… a conjugate base of a") are
not statements. They are dropped, and so are repeats and text without a letter or digit. Nothing else is dropped. The
time is linear in the length of the caption.
"""

import html
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from molmix.judges.decompose.backends._decomposer import DecomposerSettings
from molmix.judges.decompose.text import SHOWN, clean, hide, says_something, sentence

SUBJECT = "The molecule"

# ---- English ---------------------------------------------------------------------------------------------------

_SUBJECTS = r"(?:it|(?:the|this) (?:molecule|compound|substance|chemical|drug))"
_DETERMINER = re.compile(
    r"(?:an?|the|no|any|some|several|many|multiple|few|little|zero|at least|at most|up to|(?:more|fewer|less) than|\d+"
    r"|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) ",
    re.I,
)
_ARTICLE = re.compile(r"an? ", re.I)
# Nouns at the end of a list that belong to all its items: "hydroxy and amino groups".
_SHARED_HEAD = re.compile(r"(?:groups|rings|atoms|substituents|properties|activities|effects|classes)$", re.I)
# In "used as a fuel for rockets and small engines", only the meaning shows to which word the last item belongs.
_USE = re.compile(r"(?:used|employed|useful) ")
_COMPLEMENT = re.compile(r"(?:^| )(?:for|in|on|of|to|as|against|with) ")
# An item that is incomplete without the next: "a potent and selective inhibitor", "(E)- and (Z)-dimethomorph".
_QUALIFIER = re.compile(r"(?:potent|selective|specific|strong|weak|reversible|irreversible|competitive|natural|\S-)$")
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
    r"\b(?:ratio|proportions?|equimolar|together"
    r"|(?:mixture|combination|blend|copolymer|alloy|complex) (?:of|with|between))\b",
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
    r"contain|possess|bear|carry|carrie|include|lack|show|exhibit|display|impact|affect|influence|inhibit|activate|target|treat"
    r"|cause|emit|require|undergoe"
)
_AS = r"act|serve|function|work"
_VERB = (
    rf"(?:(?:is|was)(?: not)?(?: an? {_RELATIVES} of(?= an? )| {_PARTICIPLES} {_PREPOSITIONS})?"
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
    "with the characteristic of being": "is",
}
# From these words to its end, a clause describes a structure or a circumstance: its commas and "and"s are not a list.
_OPAQUE = (
    r"(?:in which|of which|where|wherein|whereby|whose|when|while|with|having|bearing|carrying|substituted|composed"
    r"|comprising|consisting|resulting|arising|formed|obtained|derived|isolated|produced|found|used|useful|between"
    r"|replaced|joined|linked|attached|at positions?|via|from|by|after|against|during|through|either|neither|or"
    r"|not only|that|which|who|including|particularly|especially|primarily|mainly|such as|been"
    r"|without|free of|free from|devoid of|lacking|except|unless|if|rather than|instead of|but not)"
)
_AFTER_ARTICLE = "".join(rf"(?<!\b{article}{end})" for article in ("a", "an", "the") for end in ("", " "))

_LEAD = r"(?:(?:when|if|upon|in|on|at|after|under|during)\b[^,]{1,80}?,? )?"
_SUBJECT = re.compile(_SUBJECTS, re.I)
_STATEMENT = re.compile(rf"(?P<lead>{_LEAD}){_SUBJECTS} (?=\S)", re.I)
_START = re.compile(rf"(?P<verb>{_VERB}) (?=\S)", re.I)
# What can follow the objects of a verb: another verb, or the start of an opaque part.
_TURN = re.compile(
    rf"(?P<link>,? (?:and|but|that|which)|,) (?P<verb>{_VERB}) (?=\S)"
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
_NUMBERING = re.compile(r"[\d\W]+|[IVX]+|[A-Za-z]")  # "types 1 and 2", "pyochelin I and II"

# Sentences without a subject, and the words that would follow the subject.
_SPECIES = r"(?:major|main|principal|predominant) (?:micro)?(?:species|structure) (?:present )?at "
_FRAGMENTS = (
    (re.compile(rf"(?:also |first |commonly |widely )?{_PARTICIPLES} (?:{_PREPOSITIONS}|to) ", re.I), "is "),
    (re.compile(_SPECIES, re.I), "is the "),
    (re.compile(rf"the {_SPECIES}|one of ", re.I), "is "),
    (re.compile(r"an? (?!.*(?<! it)(?<! that)(?<! which) (?:is|are|was|were|has|have|had|can|may)\b)", re.I), "is "),
    (_START, ""),
)

# ---- text ------------------------------------------------------------------------------------------------------

_ENDS = " .!?,;:\ue000\ue001\ue002\ue003"
# The last three are for a missing blank or full stop: "at position 3.It is a dye", "helps insomnia.Others do not", "at
# pH 7.3 It is an anion".
_SENTENCE_END = re.compile(
    rf"(?<=[.!?]) +|; |(?<=\w[.!?])(?=(?:It|The molecule) {_VERB} )|(?<=[a-z][a-z][.!?])(?=[A-Z][a-z]+ )"
    rf"|(?<![,:]) (?=(?:It|The molecule) {_VERB} )"
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
    return list(dict.fromkeys(atom for part in parts for atom in _sentence_atoms(part)))


def _unmarked(caption: str) -> str:
    """The text of a caption without HTML character references and list markers."""
    text = _REFERENCE.sub(lambda match: html.unescape(match[0]), caption)
    text = _MARKED_LINE.sub(lambda match: ". " if match.start() else "", text)
    return _MARKED_SENTENCE.sub(r"\1", clean(text))


def _completed(text: str) -> str:
    """The last sentence of a caption without an incomplete end; empty if nothing else remains."""
    before = None
    while before != text:
        before, text = text, _DANGLING.sub("", text)
    return "" if _SUBJECT.fullmatch(text) or not says_something(text) else text


@lru_cache(maxsize=20_000)  # systems often write the same sentences
def _sentence_atoms(text: str) -> tuple[str, ...]:
    shown = (clause.translate(SHOWN) for clause in _clauses(text.strip(" .!?,;:")))
    return tuple(sentence(clause) for clause in shown if says_something(clause))


# ---- sentences, clauses, lists -------------------------------------------------------------------------------------


def _clauses(sentence: str) -> Iterator[str]:
    """Atoms of one sentence."""
    sentence = sentence.replace(" also ", " ")
    statement = _STATEMENT.match(sentence)
    if statement:
        subject = f"{statement['lead']}the molecule" if statement["lead"] else SUBJECT
        yield from _statements(subject, sentence[statement.end() :])
    elif sentence[:4].lower() == "its ":
        yield f"{SUBJECT}'s {sentence[4:]}"
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
        if not start or "respectively" in predicate:
            yield f"{subject} {predicate}"
            continue
        ahead: _Verb | None = _Verb(0, start["verb"].lower(), start.end())
        while ahead:
            _, verb, begin = ahead
            turn = _TURN.search(predicate, begin)
            limited = " not" in verb or bool(turn and _LIMIT.search(predicate, begin, turn.start()))
            ahead = _ahead(predicate, turn, verb, limited) if turn else None
            end = ahead.start if ahead else len(predicate)
            listed = turn.start() if turn else end
            together = _TOGETHER.search(predicate, begin, end)
            *items, last = [predicate[begin:listed]] if together else _items(predicate[begin:listed], verb)
            for item in [*items, last + predicate[listed:end]]:
                yield f"{subject} {verb} {item}"


class _Verb(NamedTuple):
    """A verb of the molecule: end of the text before it, its finite form, start of its objects."""

    start: int
    verb: str
    begin: int


def _ahead(predicate: str, turn: re.Match[str], verb: str, limited: bool) -> _Verb | None:
    """The next verb with the same subject, if any. After "that" and similar words, the subject is the noun before it:
    the molecule only if that noun says what the molecule is, and not what it is not (`limited`). An opaque part is
    skipped and never split."""
    if turn["opaque"]:
        resumed = _RESUMED.match(predicate, turn.start())
        return _Verb(resumed.start("link"), resumed["verb"].lower(), resumed.end()) if resumed else None
    leans = (turn["link"] or "").endswith(("that", "which")) or (turn["nonfinite"] and not turn["comma"])
    if leans and (limited or not verb.startswith(("is", "was"))):
        return None
    return _Verb(turn.start(), (turn["verb"] or _NONFINITE[turn["nonfinite"].lower()]).lower(), turn.end())


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
        own = _DETERMINER.match(item)
        if _QUALIFIER.search(split[-1]) or (determined and not own and separator == " and "):
            split[-1] += separator + item  # "a bitter and unpleasant taste and a pleasant odor"
        else:
            split.append(item if own else _head(split[0], item) + item)
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
        return any(complements) and not own[0]  # "similar to a dye and a wax"
    carried = bool(_head(items[0], last))
    return bool(
        separators == [", "]  # "a pale, volatile liquid"
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
