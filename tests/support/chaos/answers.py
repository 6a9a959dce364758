"""What a misbehaving proxy makes of a server's answer: the bytes to send, and what follows them."""

import random
import time

from support.loopback import until_gone

RETRY_AFTERS = ["0", "0.01", "-5", "soon", "", "nan", "0x1", "1, 2", "٣", "Wed, 21 Oct 2015 07:28:00 GMT", "😀"]
"""What no sane server says, and none of which is a reason to wait for more than a moment."""

ENDLESS = ["inf", "1e400", "999999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "1" * 400]
"""What would have a call wait for an hour; for programs that do not wait that long."""


def straight(answer, _draw):
    """As it came."""
    yield answer


def late(answer, draw):
    """After a moment."""
    time.sleep(draw.uniform(0.0, 0.05))
    yield answer


def in_pieces(answer, draw):
    """A few bytes at a time."""
    at = 0
    while at < len(answer):
        size = draw.choice([1, 7, 50])
        yield answer[at : at + size]
        at += size
        time.sleep(0.001)


def truncated(answer, draw):
    """Closed in the middle, of the head or of the body."""
    yield answer[: draw.randrange(len(answer))]


def too_long(answer, draw):
    """The head promises more than comes."""
    yield _with_length(answer, draw.choice([1, 1000, 10**12]))


def too_short(answer, _draw):
    """More comes than the head promises."""
    yield _with_length(answer, -7)


def odd_length(answer, draw):
    """A length that is none."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    length = draw.choice([b"Content-Length: -1", b"Content-Length: many", b"Content-Length: 3\r\nContent-Length: 5"])
    yield b"\r\n".join([*lines, length, b"", b""]) + body


def bad_chunks(answer, draw):
    """Chunks whose sizes are wrong."""
    body = answer.partition(b"\r\n\r\n")[2]
    size = draw.choice([b"zz", b"-1", b"FFFFFFFF", b"", b"3"])
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\n" + body + b"\r\n"


def not_gzip(answer, _draw):
    """It says that the body is compressed, and it is not."""
    yield answer.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)


def no_http(_answer, draw):
    """Something else than HTTP."""
    yield draw.choice(
        [draw.randbytes(200), b"\0" * 5000, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc def\r\n\r\n", b"\n" * 50]
    )


def many_headers(_answer, _draw):
    """A head without end."""
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(2000):
        yield b"X-%d: %s\r\n" % (number, b"y" * 60)


def informed(answer, draw):
    """Some news before the answer."""
    yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * draw.choice([1, 3, 150]) + answer


def refusing(statuses, waits):
    """Refusals: these statuses, with one of these in their Retry-After."""

    def refuse(_answer, draw):
        wait = draw.choice(waits)
        header = [f"retry-after: {wait}".encode()] if draw.random() < 0.8 else [f"retry-after-ms: {wait}".encode()]
        twice = header * draw.choice([1, 1, 1, 2])
        body = draw.choice(
            [b"", b"{}", b"null", b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', b"\xff\xfe"]
        )
        lines = [b"HTTP/1.1 %d No" % draw.choice(statuses), b"content-type: application/json", *twice]
        yield b"\r\n".join([*lines, b"content-length: %d" % len(body), b"", b""]) + body

    return refuse


def _with_length(answer, difference):
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length", b"transfer-"))]
    return b"\r\n".join([*lines, b"Content-Length: %d" % max(0, len(body) + difference), b"", b""]) + body


KINDS = {
    "straight": straight,
    "late": late,
    "in pieces": in_pieces,
    "truncated": truncated,
    "too long": too_long,
    "too short": too_short,
    "odd length": odd_length,
    "bad chunks": bad_chunks,
    "not gzip": not_gzip,
    "no http": no_http,
    "many headers": many_headers,
    "informed": informed,
    "refused": refusing([429, 500, 502, 503, 529], RETRY_AFTERS),
    "refused for long": refusing([429, 503, 529], ENDLESS),
}
"""Name -> a generator function of the answer and a source of draws, which gives what is sent."""

OF_CONNECTIONS = ("reset", "reset in the answer", "silent", "silent in the answer", "closed")
"""What becomes of a connection besides."""

CONNECTED = ("straight", "late", "in pieces", "refused", "refused for long", "informed")
"""After these the connection goes on."""


def follow(kind, sock, answer, draw):
    """Send what this kind makes of an answer; says whether the connection goes on."""
    if kind in ("silent in the answer", "reset in the answer"):
        sock.sendall(answer[: draw.randrange(1, len(answer))])
        if kind == "silent in the answer":
            until_gone(sock)
        return False
    for piece in KINDS[kind](answer, draw):
        sock.sendall(piece)
    return kind in CONNECTED


def draw_weights(draw, *, endless):
    """How often each kind is to come in a round: half are straight, of the others a few are drawn."""
    kinds = [kind for kind in (*KINDS, *OF_CONNECTIONS) if kind != "straight"]
    if not endless:
        kinds.remove("refused for long")
    chosen = draw.sample(kinds, draw.randint(0, 6))
    return {"straight": float(max(1, len(chosen))), **{kind: draw.random() for kind in chosen}}


def generator(seed):
    """A source of draws."""
    return random.Random(seed)
