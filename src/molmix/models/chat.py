"""Conversations in the tokenizer's own chat template, with the same tokens in training, generation and decomposition.

A prompt is the text of a system (if there is one) and of a user, up to where the assistant begins. An answer is the
assistant's turn, which ends with the token that the template ends a turn with. The text of the template holds every
special token, so the tokenizer adds none: the tokens are those of ``apply_chat_template(tokenize=True)``.
"""

from __future__ import annotations

import copy
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

from molmix.core.errors import MolmixError, fault
from molmix.models.tokenization import CONTROL, CORE

DATE = date(2024, 7, 26)  # any fixed day; this is the default in the template of Llama 3
_TODAY = re.compile(r"strftime_now\(\s*(['\"])(.*?)\1\s*\)")  # code for the date in chat templates
_ANY_DAY = re.compile(r"strftime_now\s*\(")
_PROBE = "molecule"  # a user's and an assistant's text, to see what a template puts around them

Messages = list[dict[str, str]]


def pinned_template(tokenizer: Any, where: object) -> str:
    """A tokenizer's chat template. Where it asks for today's date it gets :data:`DATE`, so that prompts are the same
    on every day.

    Args:
        tokenizer: from transformers, with a chat template.
        where: the model, for messages.

    Raises:
        MolmixError: the template asks for the date in an unknown way.
    """
    template = _TODAY.sub(lambda match: repr(DATE.strftime(match[2])), tokenizer.get_chat_template())
    if _ANY_DAY.search(template):
        what = "has a chat template that puts in a date in a way that molmix cannot hold fixed"
        raise fault(where, what, "write a date into the template, or choose another model")
    return template


def check_has_template(folder: Path, where: object) -> None:
    """Refuse a model whose files have no chat template, without loading its tokenizer.

    Args:
        folder: of the model.
        where: the config key or the model, for messages.
    """
    try:
        stated = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stated = {}
    if (
        not (isinstance(stated, dict) and stated.get("chat_template"))
        and not (folder / "chat_template.jinja").is_file()
    ):
        raise _no_template(where)


def _no_template(where: object) -> MolmixError:
    hint = "choose an instruct model, add the template as chat_template.jinja beside its tokenizer, or set "
    return fault(where, "its tokenizer has no chat template", hint + "`prompts.template: plain`")


class ChatFormat:
    """Prompts and answers in a chat template.

    Attributes:
        tokenizer: a copy that adds no special tokens to a text. Its EOS is the token that ends a turn.
    """

    def __init__(self, tokenizer: Any, system: str | None, where: object) -> None:
        """Look at what the template puts around the texts.

        Args:
            tokenizer: from transformers; it is not changed.
            system: the text of the system; None for a conversation that the user begins.
            where: the model, for messages.

        Raises:
            MolmixError: there is no chat template, it cannot be rendered without today's date, it does not know a
                system, it begins an answer otherwise than a prompt ends, or it ends no turn with a special token.
        """
        if not tokenizer.chat_template:
            raise _no_template(where)
        self.system, self.where, self.tokenizer = system, where, copy.deepcopy(tokenizer)
        self.tokenizer.chat_template = pinned_template(tokenizer, where)
        self._add_no_tokens()
        core = {getattr(tokenizer, name) for name in CORE} - {None}
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        marks = sorted(core | {name for name in special if CONTROL.fullmatch(name)}, key=len, reverse=True)
        self._mark = re.compile("|".join(map(re.escape, marks)) or "(?!)")
        self._after = ""
        self._learn_the_end()

    def prompt(self, *turns: str) -> str:
        """The conversation up to where the assistant begins.

        Args:
            turns: text of the user; or of the user and the assistant in turn, the user's last.

        Raises:
            MolmixError: a text holds a special token, which would end its turn.
        """
        for text in turns:
            self._refuse_marks(text)
        return self._render(self._asked(*turns), add_generation_prompt=True)

    def answer(self, text: str, answer: str) -> str:
        """What follows :meth:`prompt` in the assistant's turn, without the token that ends it.

        Args:
            text: of the user.
            answer: of the assistant.

        Raises:
            MolmixError: as :meth:`prompt`; or the template does not show the answer after the prompt.
        """
        self._refuse_marks(answer)
        prompt = self.prompt(text)
        whole = self._render([*self._asked(text), {"role": "assistant", "content": answer}])
        if not whole.startswith(prompt) or not whole.endswith(self._after):
            what = f"its chat template shows an answer ({whole[-200:]!r}) otherwise than it prompts for it"
            raise fault(self.where, f"{what} ({prompt[-100:]!r})", "set `prompts.template: plain`")
        return whole[len(prompt) :].removesuffix(self._after)

    def _asked(self, *turns: str) -> Messages:
        system = [{"role": "system", "content": self.system}] if self.system else []
        roles = ("user", "assistant")
        return [*system, *({"role": roles[index % 2], "content": text} for index, text in enumerate(turns))]

    def _render(self, messages: Messages, **options: Any) -> str:
        from jinja2 import TemplateError

        try:
            # Templates of reasoning models write an empty thought, and others do not read this variable.
            text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, enable_thinking=False, **options)
        except TemplateError as error:
            hint = "remove `prompts.system`" if self.system else "set `prompts.template: plain`"
            raise fault(self.where, f"its chat template refuses the conversation ({error})", hint) from error
        if self.system and self.system.strip() not in text:
            raise fault(self.where, "its chat template does not show the text of the system", "remove `prompts.system`")
        return text

    def _add_no_tokens(self) -> None:
        if backend := getattr(self.tokenizer, "backend_tokenizer", None):
            backend.post_processor = None
        else:  # a tokenizer in Python
            self.tokenizer.add_bos_token = self.tokenizer.add_eos_token = False
        if added := self.tokenizer("")["input_ids"]:
            what = f"its tokenizer adds {self.tokenizer.convert_ids_to_tokens(added)} to every text"
            raise fault(self.where, what, "save it again as tokenizer.json, or set `prompts.template: plain`")

    def _learn_the_end(self) -> None:
        """Make the token that ends a turn the EOS."""
        after = self.answer(_PROBE, _PROBE).lstrip().removeprefix(_PROBE)
        found = self._mark.match(after.lstrip())
        if not found:
            what = f"its chat template ends an answer with {after!r}, which is no special token: no answer would end"
            raise fault(self.where, what, "set `prompts.template: plain`")
        self._after = after[after.index(found[0]) :]
        self.tokenizer.eos_token = found[0]

    def _refuse_marks(self, text: str) -> None:
        if found := self._mark.search(text):
            what = f"a text holds {found[0]!r}, which the chat template uses: {text[:80]!r}"
            raise fault(self.where, what, "remove it from molecules, captions and `prompts`")
