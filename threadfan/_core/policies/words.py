"""What providers call what went wrong: ``insufficient_quota``, ``ThrottlingException``.

Where such words stand, and which of them mean that another attempt must end the same, is said in ``shapes``.
"""

from __future__ import annotations

from ..base.static import is_a, is_group
from .asking import at, attribute, attributes, called, has_any, members, telling
from .shapes import ACCOUNT, BODIES, COMPANIONS, FINAL, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTENT = 100_000  # bytes of a response in which a provider's word is looked for; arbitrary


def words_of(error: BaseException) -> list[str]:
    """What providers call what went wrong: of the error itself, of what is beneath, and of the members of groups."""
    if is_group(error):
        return [word for member in members(error) for word in words_of(member)]
    return [word for link in telling(error) for word in own_words(link)]


def final_word(error: BaseException) -> str | None:
    """The provider's word for why another attempt must end the same, such as ``insufficient_quota``; or None."""
    return first_of(words_of(error), FINAL)


def account_word(error: BaseException) -> str | None:
    """The same, of what all calls of the account would be told."""
    return first_of(words_of(error), ACCOUNT)


def first_of(words: list[str], known: frozenset[str]) -> str | None:
    """The first of the words that is one of those in ``shapes``."""
    return next((word for word in words if letters(word) in known), None)


def own_words(error: BaseException) -> list[str]:
    """Those that the error itself and its body hold, the clearest first."""
    found: list[object] = []
    if has_companion(error):
        code = attribute(error, "code")
        if callable(code):  # gRPC
            code = attribute(called(code), "name")
        found += [attribute(attribute(error, "grpc_status_code"), "name"), code]
        found += [attribute(error, "status"), attribute(error, "type")]
    found += [at(body, path) for body in bodies(error) for path in WORDS]
    return [value[:100] for value in found if is_a(value, str)]


def letters(text: str) -> str:
    """As words are written in ``shapes``."""
    return "".join(filter(str.isalnum, text.lower())).removesuffix("exception")


def has_companion(error: BaseException) -> bool:
    """Whether it looks like the error of a client, in which a ``code`` is one of an answer."""
    return has_any(error, COMPANIONS)


def bodies(error: BaseException) -> Iterator[dict[object, object]]:
    """What the provider has said, as far as it is there: nothing is read from a connection for it."""
    for body in attributes(error, ("response", *BODIES)):
        if is_a(body, dict):
            yield body
    response = attribute(error, "response")
    content = (
        None if response is None else attribute(response, "_content")
    )  # of requests and httpx: what they have read
    if is_a(content, bytes) and len(content) <= _CONTENT and content[:1] in b"{[":
        import json

        try:
            parsed = json.loads(content)
        except (ValueError, RecursionError):
            return
        yield from (part for part in (parsed if is_a(parsed, list) else [parsed]) if is_a(part, dict))
