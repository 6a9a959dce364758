"""``threadfan ask``: a prompt to the Messages API for each input."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic_core import to_json

from threadfan._core.base.texts import brief, masked_url, shortened, text_of

from .errors import USAGE, CommandError
from .keys import api_key
from .rows import free_name, text_of_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import anthropic

    from .rows import Item, Row

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")  # a brace that is meant so, a place, or a brace that is neither
_NO_PLACE = "a brace that is no place is written twice, {{ or }}"
_NEAR = 20  # characters of a template, where one is shown; arbitrary: enough to find it
KNOWN_BY = "model, template, system prompt, --max-tokens and --temperature"
"""What makes a question, in words."""
_USUAL = "prompt"  # the column that is asked if there is no template


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked, but for the input.

    Args:
        model: who is asked.
        template: the prompt, with ``{}`` for an input or ``{column}`` for a column of a row; ``{{`` is a brace.
        system: the system prompt.
        max_tokens: of an answer.
        temperature: as the API has it.
    """

    model: str
    template: str | None = None
    system: str | None = None
    max_tokens: int = 1024
    temperature: float | None = None

    def version(self) -> str:
        """By which a journal knows these questions from others."""
        return to_json(asdict(self)).decode()

    def check(self, columns: Sequence[str] | None, *, texts: bool = False) -> None:
        """Check that rows with these columns can be asked.

        Args:
            texts: whether they are texts, which have none.

        Raises:
            CommandError: they cannot.
        """
        if self.max_tokens < 1:
            raise CommandError(f"--max-tokens is {self.max_tokens}; right is a number greater than 0", USAGE)
        self._check_braces("{}" if texts else "{column}")
        names = [] if self.template is None else list(filter(None, _PLACE.findall(self.template)))
        if texts and names:
            raise CommandError(
                f"--template has {{{names[0]}}}, and a line has no columns; right is {{}}, and {_NO_PLACE}",
                USAGE,
            )
        if columns is None:
            return
        known = " ".join(f"{{{column}}}" for column in columns)
        if self.template is None:
            if _USUAL not in columns:
                raise CommandError(f"there is no column {_USUAL!r}; right is --template with {known}", USAGE)
            return
        for name in names:
            if name not in columns:
                raise CommandError(
                    f"--template has {{{name}}}, which is no column; right are {known}, and {_NO_PLACE}", USAGE
                )

    def _check_braces(self, place: str) -> None:
        for found in _PLACE.finditer(self.template or ""):
            if found[0] in ("{", "}"):
                start, end = found.span()
                near = found.string[start : start + _NEAR] if found[0] == "{" else found.string[:end][-_NEAR:]
                raise CommandError(
                    f"--template has a single {found[0]}, in {brief(near)}; right is {place}, and {_NO_PLACE}", USAGE
                )

    def prompt(self, item: Item) -> str:
        """What is asked of an input."""
        if self.template is None:
            return text_of_value(item.get(_USUAL) if isinstance(item, dict) else item)
        return _PLACE.sub(
            lambda found: found[0][0] if found[1] is None else text_of_value(_part(item, found[1])), self.template
        )


def _part(item: Item, name: str) -> object:
    if not name:
        return item
    if not isinstance(item, dict) or name not in item:
        raise KeyError(f"the input has no column {name!r}")
    return item[name]


@dataclass(frozen=True)
class Server:
    """Who is asked: the API, or what is at ``--base-url``; its secrets are shown nowhere."""

    base_url: str | None = field(default=None, repr=False)

    def client(self, timeout: float) -> anthropic.Anthropic:
        """An attached client.

        Args:
            timeout: seconds after which the fan ends a call.

        Raises:
            CommandError: there is no key, or none that can be, or it is no URL.
        """
        import anthropic

        from threadfan.clients.anthropic import attach

        if self.base_url is not None and not _is_url(self.base_url):
            shown = masked_url(self.base_url)
            raise CommandError(f"--base-url is {shown!r}; right is a URL such as http://127.0.0.1:8000", USAGE)
        key = api_key("ask needs an API key, or threadfan serve to try it" if self.base_url is None else None)
        try:
            client = anthropic.Anthropic(
                api_key=key or "none", base_url=self.base_url, max_retries=0, timeout=2 * timeout
            )
        except Exception as error:
            raise CommandError(f"{masked_url(self.base_url or '')} cannot be asked: {text_of(error)}") from error
        return attach(client)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        return False


def asker(client: anthropic.Anthropic | None, question: Question) -> Callable[[Item], Row]:
    """A function that asks, and gives the answer and what it took."""
    settings: Row = {"model": question.model, "max_tokens": question.max_tokens}
    if question.system is not None:
        settings["system"] = question.system
    if question.temperature is not None:
        # ``create`` of anthropic 2 has no such parameter any more.
        settings["extra_body"] = {"temperature": question.temperature}

    def ask(item: Item) -> Row:
        assert client is not None  # noqa: S101 -- but for a dry run, which calls nothing
        message = client.messages.create(messages=[{"role": "user", "content": question.prompt(item)}], **settings)
        if not hasattr(message, "usage"):  # the client hands on as text what is no JSON
            raise TypeError(f"it does not speak the Messages API: {shortened(str(message), 60)}")
        return {
            "answer": "".join(block.text for block in message.content if block.type == "text"),
            "stop_reason": message.stop_reason,
            "usage": {"input_tokens": message.usage.input_tokens, "output_tokens": message.usage.output_tokens},
        }

    return ask


def columns_of_answer(answer: Row, row: Row) -> Row:
    """As columns of a table, beside those that the row has."""
    found = {"answer": answer["answer"], "stop_reason": answer["stop_reason"], **answer["usage"]}
    return {free_name(name, row): value for name, value in found.items()}


def answer_alone(answer: Row) -> object:
    """Its text."""
    return answer["answer"]


def server_of(client: anthropic.Anthropic | None) -> Callable[[BaseException], str | None]:
    """What says of an error which server it was that did not answer, if that is what is wrong."""

    def said(error: BaseException) -> str | None:
        import anthropic

        if client is None or not isinstance(error, anthropic.APIConnectionError):
            return None
        return f"the server is {masked_url(str(client.base_url))}"

    return said


def hopeless(error: BaseException) -> str | None:
    """Why no other question will be answered, if that is so: the key, or the model."""
    import anthropic

    if isinstance(error, anthropic.AuthenticationError | anthropic.PermissionDeniedError):
        return "the server refuses the key; right is a valid one in ANTHROPIC_API_KEY"
    if isinstance(error, anthropic.NotFoundError):
        return "the server knows no such model, or is no Messages API; right is another --model or --base-url"
    return None
