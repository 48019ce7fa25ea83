"""The verbs of captions, and how each is denied."""

_BASES = {
    "contains": "contain",
    "possesses": "possess",
    "bears": "bear",
    "carries": "carry",
    "includes": "include",
    "shows": "show",
    "exhibits": "exhibit",
    "displays": "display",
    "impacts": "impact",
    "affects": "affect",
    "influences": "influence",
    "inhibits": "inhibit",
    "activates": "activate",
    "targets": "target",
    "treats": "treat",
    "causes": "cause",
    "emits": "emit",
    "requires": "require",
    "acts as": "act as",
    "serves as": "serve as",
    "functions as": "function as",
    "works as": "work as",
    "belongs to": "belong to",
    "derives from": "derive from",
    "consists of": "consist of",
    "has": "have",
    "has a role as": "have a role as",
    "has an effect on": "have an effect on",
}
DENIED = {"is": "is not", "was": "was not"} | {verb: f"does not {base}" for verb, base in _BASES.items()}
AFFIRMED = {denial: verb for verb, denial in DENIED.items()}
VERBS = (*DENIED, *AFFIRMED)
