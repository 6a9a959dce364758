"""Texts that can be shown: for whatever a program may print, log or keep in a file.

Guarantees: nothing here fails; and in a text that has gone through ``masked``, each of these reads ``***``:

- what stands between ``://`` and ``@`` in a URL, a password with ``/``, ``?`` or ``#`` that was not quoted included;
- a parameter whose name says that it is a secret (``?api_key=``, ``&X-Amz-Signature=``, ``#access_token=``);
- the token after ``Bearer`` and the like, and a key that begins with ``sk-``.

Everything else stays as it is, masked texts too.  The time is in proportion to the length: that is what the bounds in
the pattern are for, which are arbitrary but longer than what servers take.
"""

from __future__ import annotations

from .interrupts import INTERRUPTS

MASK = "***"

LONGEST = 10_000
"""Characters of a text of which a message shows the beginning.  Arbitrary."""

# Names that say so by themselves, and those that do as the last part of a name: `key`, `api_key`, `X-Goog-Signature`.
_NAMES = r"""
    (?: [\w.~%\[-]{0,60} [-_.\[] )?
    (?: key | keyid | token | secret | password | passwd | passphrase | signature | sig | credentials? | jwt | auth
      | authorization ) \]?
  | (?: api | app | access | auth | account | shared | subscription | client | secret | session | aws | private | id
      | refresh | security | bearer | csrf | db | user )+ (?: key | keyid | token | secret | password | signature )
  | AWSAccessKeyId | pwd | pass | session | sessionid
"""
_SECRETS = rf"""
    (?P<scheme> [a-z][a-z0-9+.-]{{0,30}} :// )
    (?: [^\s/?\#"'<>]{{0,2000}} (?=@)  # all before the last @ of an authority
      | (?! \[ ) [^\s/?\#"'<>@:]{{0,200}} : (?! \d+ (?: [/?\#\s"'<>] | $ ) )  # a colon that begins no port
        [^\s"'<>@]{{0,2000}} (?=@)
    )
  | (?P<name> (?<= [?&;\#] ) (?: {_NAMES} ) = ) [^\s&;\#"'<>]+
  | (?P<kind> \b (?-i: Bearer | bearer | Basic ) [ ]+ )
    (?-i: (?! realm= ) (?! [a-z]+ [.,;:"')]* (?: \s | $ ) ) ) [\w.~+/=-]{{6,}}  # but no word
  | \b (?P<prefix> sk- ) [\w-]{{4,}}
"""

_SIGNS = ("://", "=", "earer ", "Basic ", "sk-", "SK-")

_pattern = None


def masked(text: str) -> str:
    """``text`` with ``***`` for the secrets in it."""
    global _pattern
    if not any(sign in text for sign in _SIGNS):  # most texts have none, and may be long
        return text
    if _pattern is None:  # compiled on first use: `import threadfan` does without
        import re

        _pattern = re.compile(_SECRETS, re.VERBOSE | re.IGNORECASE)
    return _pattern.sub(lambda found: f"{found[found.lastgroup] if found.lastgroup else ''}{MASK}", text)


def masked_url(url: str) -> str:
    """A whole URL without its secrets: nothing of what stands before its last ``@`` is left, wherever that is."""
    before, at, after = url.rpartition("@")
    if not at:
        return masked(url)
    scheme, separator, _ = before.partition("://")
    return masked(f"{scheme if separator else ''}{separator}{MASK}@{after}")


def brief(value: object, limit: int = 60) -> str:
    """``repr(value)`` without secrets, shortened to ``limit`` characters; never fails: a message always gets out."""
    try:
        text = repr(value)
    except INTERRUPTS:
        raise
    except BaseException:  # the repr is the user's code
        text = f"<{type(value).__name__} whose repr fails>"
    return shortened(masked(text[:LONGEST]), limit)


def text_of(error: BaseException | None) -> str:
    """``str(error)`` without secrets; never fails."""
    try:
        return masked(str(error))
    except INTERRUPTS:
        raise
    except BaseException:  # the class is the user's code
        return f"<{type(error).__name__} whose str fails>"


def shortened(text: str, limit: int = 100) -> str:
    """``text`` on one line of at most ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
