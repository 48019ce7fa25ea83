"""Ask a model on any server with OpenAI's chat completions API: vLLM, llama.cpp, a provider, …

A server is not trusted. The key is read from the environment and is sent in requests only: it is removed from every
text of the server before that is stored or shown. Redirects are not followed, answers of more than :data:`MOST_BYTES`
are not read, and an answer that is not a chat completion stops the job with one message.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from molmix.core.errors import MolmixError, fault
from molmix.core.fingerprint import code_digest
from molmix.core.schema import Count, Section

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI, OpenAIError

    from molmix.models.asking import Answer
    from molmix.models.chat import Messages

MOST_BYTES = 16 * 2**20  # maximum size of an answer's body
LONGEST_PAUSE = 60  # maximum seconds before a retry, if the server asks for a pause
# Messages of servers for a prompt that does not fit, which concerns one caption only. Every server has its own.
_TOO_LONG = re.compile(
    r"context.?(?:length|size|window)|too long|too many tokens|exceed.* (?:context|tokens)|less than \d+ tokens", re.I
)


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/@?#]+(?:/[^\s@?#]*)?", text):
        raise ValueError(
            "give an http(s) address without a user, a password or a query, such as http://localhost:8000/v1"
        )
    return text.rstrip("/")


def _variable(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", text):
        raise ValueError("name the environment variable that holds the key, never the key itself")
    return text


class _Message(BaseModel):
    content: str | list[dict[str, Any]] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    """The fields of a chat completion that are read."""

    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: Any = None

    def text(self) -> str:
        """The text of the answer; if the content has parts, the text of all parts."""
        content = self.choices[0].message.content
        if isinstance(content, list):
            texts = (part.get("text") for part in content if part.get("type") == "text")
            return "".join(text for text in texts if isinstance(text, str))
        return content or ""

    def tokens(self, kind: str) -> int:
        """Number of tokens by the server's count; 0 if it gives none."""
        count = self.usage.get(kind) if isinstance(self.usage, dict) else None
        return count if isinstance(count, int) and count >= 0 else 0


_FINISHES = {"length": "length", "content_filter": "content_filter"}  # any other reason is a normal end


Price = Annotated[float, Field(ge=0)]


class ServerSettings(Section):
    """A model behind a server that speaks OpenAI's chat completions."""

    base_url: Annotated[str, AfterValidator(_url)] = Field(
        description="address of the server up to what comes before `/chat/completions`, mostly with `/v1` at its end"
    )
    model: str = Field(description="name of the model at that server; a dated one where the provider has such names")
    key_variable: Annotated[str, AfterValidator(_variable)] | None = Field(
        "OPENAI_API_KEY", description="environment variable that holds the key; null for a server that wants none"
    )
    max_new_tokens: Count = Field(1024, description="longest answer")
    concurrency: Count = Field(8, description="requests under way at a time")
    timeout: Annotated[float, Field(gt=0)] = Field(120.0, description="seconds to wait for an answer")
    retries: Annotated[int, Field(ge=0)] = Field(
        5, description="times to try again, after longer and longer pauses, where a server stalls, fails or is busy"
    )
    prompt_price: Price | None = Field(None, description="price of a million prompt tokens; null counts no cost")
    completion_price: Price | None = Field(None, description="price of a million tokens of answers")

    def check_key(self, key: str) -> None:
        """Refuse to run without the server's key. `key` is the config key of this model, for the message."""
        read_key(self.key_variable, f"{key}.key_variable")


def read_key(variable: str | None, where: str = "key_variable") -> str | None:
    """The key in an environment variable; None without a variable.

    Args:
        variable: its name.
        where: config key that names it.

    Raises:
        MolmixError: the variable is not set, or holds no key.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[!-~]+", key):  # other characters raise an error in a request header, which shows the key
        hint = "export a key there, or set `key_variable` to null for a server that wants none"
        raise fault(where, f"the environment variable {variable} holds no key", hint)
    return key


class ServerAsker:
    """Asks the server."""

    def __init__(
        self,
        settings: dict[str, Any],
        prompt_of: Callable[[str], str | Messages],
        system: str | None = None,
        sampling: dict[str, float] | None = None,
        **fingerprint: Any,
    ) -> None:
        """Store the settings and the fingerprint of the answers.

        Args:
            settings: of :class:`ServerSettings`, dumped.
            prompt_of: the prompt for a question: what the user says, or several turns.
            system: text of the system's turn; None for none.
            sampling: ``temperature`` and ``top_p``; None for temperature 0.
            fingerprint: what the answers depend on, too.
        """
        self.settings, self._prompt_of, self._system = settings, prompt_of, system
        self._sampling = sampling or {"temperature": 0}
        named = {name: settings[name] for name in ("base_url", "model", "max_new_tokens")}
        chosen = {name: value for name, value in {"system": system, "sampling": sampling}.items() if value}
        self.fingerprint = named | chosen | fingerprint | {"client": code_digest(__name__)}

    def ask(self, questions: Iterable[str], known: Collection[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        """Answer the questions that are not known, with the parallel requests of the settings. Return the retries.

        Raises:
            MolmixError: there is no key, or the server cannot be reached, refuses, fails or does not answer.
        """
        return asyncio.run(self._ask([question for question in questions if question not in known], keep))

    async def _ask(self, questions: list[str], keep: Callable[[dict[str, Answer]], None]) -> int:
        from openai import AsyncOpenAI

        settings = self.settings
        for library in ("httpx", "httpx2", "httpcore", "httpcore2"):  # they log requests and headers of answers
            logging.getLogger(library).setLevel(logging.WARNING)
        key = read_key(settings["key_variable"])
        client = AsyncOpenAI(
            # The client requires a key; a server without keys ignores it.
            api_key=key or "none",
            base_url=settings["base_url"],
            timeout=settings["timeout"],
            max_retries=settings["retries"],
            http_client=_client(settings["base_url"], settings["timeout"]),
        )
        queue, retries, failed = iter(questions), 0, None

        async def work(queue: Iterator[str]) -> None:
            nonlocal retries
            for question in queue:
                answer, tries = await self._answer(client, key, question)
                retries += tries
                keep({question: answer})

        try:
            async with client, asyncio.TaskGroup() as workers:
                for _ in range(min(self.settings["concurrency"], len(questions))):
                    workers.create_task(work(queue))
        except* MolmixError as errors:
            failed = errors
        if failed:  # raised here: Python before 3.11.4 puts errors raised in `except*` into a group
            raise _first(failed)
        return retries

    def keeps(self, answer: Answer) -> bool:
        """Whether an answer is final. ``prompt_too_long`` is not: the server's context length can change."""
        return answer["finish"] != "prompt_too_long"

    def _request(self, question: str) -> dict[str, Any]:
        """Body of a request. It uses only features that all servers support: no seed, no response format."""
        system = [{"role": "system", "content": self._system}] if self._system else []
        prompt = self._prompt_of(question)
        turns = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        return {
            "model": self.settings["model"],
            "messages": [*system, *turns],
            **self._sampling,
            "max_tokens": self.settings["max_new_tokens"],
        }

    async def _answer(self, client: AsyncOpenAI, key: str | None, question: str) -> tuple[Answer, int]:
        """One answer, and the number of retries before it."""
        from openai import APIStatusError, OpenAIError

        hidden = re.compile("".join(map(_spellings, key))) if key else None

        def without_key(text: str) -> str:
            # Replace half characters (single surrogates), which JSON can hold and files cannot.
            text = text.encode(errors="replace").decode()
            return hidden.sub("[key]", text) if hidden else text

        # The client's own time-out restarts with every received byte.
        patience = (self.settings["timeout"] + LONGEST_PAUSE) * (self.settings["retries"] + 1)
        try:
            async with asyncio.timeout(patience):
                response = await client.chat.completions.with_raw_response.create(**self._request(question))
            completion = _Completion.model_validate(json.loads(response.http_response.content))
        except APIStatusError as error:
            if error.status_code in (400, 413, 422) and _TOO_LONG.search(_said(error)):
                return {"text": "", "finish": "prompt_too_long", "prompt_tokens": 0, "completion_tokens": 0}, 0
            raise self._error(error, without_key(_said(error))) from None
        except (OpenAIError, TimeoutError) as error:
            if isinstance(error.__cause__, MolmixError):  # raised by the HTTP client below
                raise error.__cause__ from None
            raise self._error(error, without_key(str(error.__cause__ or error))) from None
        except (ValueError, ValidationError, RecursionError):
            hint = "check that `base_url` is that of an OpenAI-compatible server; mostly it ends in /v1"
            raise fault(self.settings["base_url"], "answers with something other than chat completions", hint) from None
        answer: Answer = {
            "text": without_key(completion.text()),
            "finish": _FINISHES.get(completion.choices[0].finish_reason or "", "stop"),
            "prompt_tokens": completion.tokens("prompt_tokens"),
            "completion_tokens": completion.tokens("completion_tokens"),
        }
        return answer, response.retries_taken

    def _error(self, error: OpenAIError | TimeoutError, said: str) -> MolmixError:
        """The error with its cause, the server's message and a hint. Finished answers are kept."""
        import openai

        settings, said, variable = self.settings, said[:300], self.settings["key_variable"]
        times = f"{settings['retries'] + 1} times in a row"
        again = "then run the same command again: answers so far are kept"
        match error:
            case openai.APIStatusError(status_code=status) if 300 <= status < 400:
                what = f"redirects to another address ({said}), which is not followed: it would get the captions"
                hint = "set `base_url` to the address of the server that you trust"
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                what = f"refuses the key ({said})"
                hint = f"put a valid key into the environment variable that `key_variable` names ({variable})"
            case openai.NotFoundError():
                what = f"has no model {settings['model']!r}, or no chat completions ({said})"
                hint = "check `model`, and `base_url`, which mostly ends in /v1"
            case openai.APITimeoutError() | TimeoutError():
                what = f"gave no answer within {settings['timeout']:g} s, {times}"
                hint = f"look after the server, raise `timeout` or lower `concurrency`, {again}"
            case openai.APIConnectionError():
                what = f"cannot be reached, or hangs up, {times} ({said})"
                hint = f"start the server or correct `base_url`, {again}"
            case openai.RateLimitError():
                what = f"accepts no more requests, {times} ({said})"
                hint = f"lower `concurrency` or raise the quota, {again}"
            case openai.InternalServerError():
                what = f"fails, {times} ({said})"
                hint = f"look into the server's log, {again}"
            case _:
                what = f"refuses the request ({said})"
                hint = f"check `model` ({settings['model']!r}) and max_new_tokens against what the server takes"
        return fault(settings["base_url"], what, hint)


def _said(error: APIStatusError) -> str:
    """A server's error message, on one line. Not all servers use OpenAI's format."""
    body = error.body if isinstance(error.body, dict) else {}
    text = body.get("message") or error.response.headers.get("location") or error.response.text
    return f"HTTP {error.status_code}: {' '.join(str(text).split())}"


def _spellings(character: str) -> str:
    """A pattern for a character, plain or escaped as in JSON."""
    return rf"(?:\\?{re.escape(character)}|\\u(?i:{ord(character):04x}))"


def _client(where: str, timeout: float) -> Any:
    """An HTTP client that follows no redirects and limits the size of bodies."""
    from openai import DefaultAsyncHttpxClient

    class Client(DefaultAsyncHttpxClient):
        async def send(self, request: Any, *, stream: bool = False, **settings: Any) -> Any:
            response = await super().send(request, stream=True, **settings)
            body = bytearray()
            try:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > MOST_BYTES:
                        hint = "check that `base_url` is that of an OpenAI-compatible server"
                        raise fault(where, f"answers with more than {MOST_BYTES >> 20} MB", hint)
            finally:
                await response.aclose()
            encoded = ("content-encoding", "content-length", "transfer-encoding")  # they describe the encoded body
            headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in encoded]
            return type(response)(response.status_code, headers=headers, content=bytes(body), request=request)

    return Client(follow_redirects=False, timeout=timeout)


def _first(errors: BaseExceptionGroup[MolmixError]) -> MolmixError:
    """The first of a group's errors: all workers fail for the same reason."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
