"""Texts that can be shown: for whatever a program may print, log or keep in a file.

Guarantees: nothing here fails; and in a text that has gone through ``masked``, each of these reads ``***``:

- what stands between ``://`` and ``@`` in a URL, a password with ``/``, ``?`` or ``#`` that was not quoted included;
- a parameter whose name says that it is a secret (``?api_key=``, ``&X-Amz-Signature=``, ``#access_token=``);
- the token after ``Bearer`` and the like, and a key that begins as those of well-known services do (``sk-``, ``AIza``,
  ``ghp_``, ``hf_`` …);
- what HTTP libraries quote when they refuse the value of a header, as a key with a line's end is refused;
- a text beside a name that says that it is a secret: ``'api_key': '…'``, ``x-api-key: …``, ``password=…``.

Everything else stays as it is, masked texts too.  The time is in proportion to the length: that is what the bounds in
the pattern are for, which are arbitrary but longer than what servers take, and why no part of it is tried again.

And a text that has gone through ``shortened``, ``condensed`` or ``brief`` is one line without characters that steer a
terminal.
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
# Those that say so wherever they stand; a name such as `key` or `token` alone may be of anything.
_FULL = r"""
    (?: [\w.-]{0,60} [-_.] )? (?: api | app | access | auth | account | shared | client | secret | session | private
      | refresh | bearer )+ [-_]? (?: key | token | secret | password | signature )
  | (?: [\w.-]{0,60} [-_.] )?
    (?: password | passwd | passphrase | secret | authorization | cookie | credentials? )
"""
_SECRETS = rf"""
    (?P<scheme> (?<= [a-z0-9+.-] ) :// )
    (?: [^\s/?\#"'<>]{{0,2000}} (?=@)  # all before the last @ of an authority
      | (?! \[ ) [^\s/?\#"'<>@:]{{0,200}}+ : (?! \d+ (?: [/?\#\s"'<>] | $ ) )  # a colon that begins no port
        [^\s"'<>@]{{0,2000}}+ (?=@)
    )
  | (?P<name> (?<= [?&;\#] ) (?: {_NAMES} ) = ) [^\s&;\#"'<>]+
  | (?P<value> \b header [ ] value:? [ ] b?['"] ) [^'"]+
  | (?P<entry> ['"] (?: {_FULL} ) ['"] \s{{0,4}} : \s{{0,4}} b?['"] ) [^'"]+
  | (?P<line> \b (?: (?: x-)? api-key | (?: proxy-)? authorization | (?: set-)? cookie ) : [ ]{{0,4}}
      (?: (?: token | key | api-?key ) [ ] )? )
    (?! (?: bearer | basic ) [ ] ) (?= [^\s\d]{{0,200}} \d ) [^\s'"]{{8,}}
  | (?P<word> \b (?: password | passwd | passphrase | pwd ) = ) [^\s&;,\#"'<>]+
  | (?P<kind> \b (?-i: Bearer | bearer | Basic ) [ ]+ )
    (?-i: (?! realm= ) (?! [a-z]+ [.,;:"')]* (?: \s | $ ) ) ) [\w.~+/=-]{{6,}}  # but no word
  | \b (?P<prefix> sk- ) [\w-]{{4,}}
  | \b (?-i: (?P<begin> AIza | gh[opsru]_ | github_pat_ | glpat- | gsk_ | hf_ | pplx- | xai- | xox[a-z]- )
      [\w-]{{16,}} )
"""

_SIGNS = (
    "://", "=", "bearer ", "basic ", "sk-", "header value", "key", "authorization", "cookie", "secret", "passphrase",
    "passw", "token", "signature", "credential", "aiza", "gho_", "ghp_", "ghs_", "ghr_", "ghu_", "github_", "glpat-",
    "gsk_", "hf_", "pplx-", "xai-", "xox",
)  # fmt: skip
"""Of which a text has one, in small letters, if there is anything to mask in it."""

_pattern = None


def masked(text: str) -> str:
    """``text`` with ``***`` for the secrets in it."""
    global _pattern
    small = text.lower()
    if not any(sign in small for sign in _SIGNS):  # most texts have none, and may be long
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
    text = one_line(text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def condensed(text: str, limit: int = 100) -> str:
    """The same of what an error says, which has its cause at the end: the middle is left out."""
    text = one_line(text)
    if len(text) <= limit:
        return text
    end = limit * 2 // 5
    return f"{text[: limit - end - 1]}…{text[len(text) - end :]}"


_STEERING = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for codes in (range(0x20), range(0x7F, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A))
    for code in codes
    if code not in (9, 10)  # tabs and the ends of lines
}
"""C0, C1, and what turns the direction of writing."""


def harmless(text: str) -> str:
    """``text``, where what could steer a terminal is written as Python writes it."""
    return text if text.isprintable() else text.translate(_STEERING)


def one_line(text: str) -> str:
    """``text`` on one line, and harmless."""
    return harmless(" ".join(text.split()))
