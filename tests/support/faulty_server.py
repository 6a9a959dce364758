"""Servers that keep a client waiting in every way there is, and a proxy."""

import itertools
import socket
import ssl
from urllib.parse import parse_qs, urlsplit

from support.certificates import certificates
from support.loopback import Gone, Loopback, splice, until_gone

BODY = b'{"ok": true}'
PACE = 1.0  # seconds between the bytes of what drips


class FaultyServer(Loopback):
    """HTTP/1.1 with keep-alive; the path says what goes wrong, whatever the method.

    ``/ok`` is answered at once.  ``/hang`` never is.  ``/headers-drip`` sends its head byte by byte, one a second, and
    ``/drip`` its body, without end; ``/drip-close`` says that the body ends with the connection.  ``/stall`` promises
    1000 bytes, sends ten, and no more.  ``/redirect/3`` leads to ``/ok`` by three steps, with ``?to=/drip`` somewhere
    else.  ``/status/503`` answers with that status, with ``?retry-after=60`` with that header.  ``/close`` answers and
    closes, ``/cut`` closes without an answer, ``/empty`` answers without a body.

    Args:
        tls: speak TLS; ``ca_file`` is what the client has to trust.
        family: ``socket.AF_INET6`` for ``::1``.
        handshake_hang: never answer the client's hello.
    """

    def __init__(self, *, tls=False, family=socket.AF_INET, handshake_hang=False):
        super().__init__(family)
        self._scheme = "https" if tls or handshake_hang else "http"
        self._handshake_hang = handshake_hang
        self.ca_file = None
        self._context = None
        if tls:
            self.ca_file, certificate, key = certificates()
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate, key)
            self._context.sslsocket_class = _Secured

    def url(self, path="/ok"):
        """The address of what this path does."""
        return f"{self._scheme}://{self.address}{path}"

    def _serve(self, sock):
        if self._handshake_hang:
            sock.recv(1)
            self._note_request()
            until_gone(sock)
        elif self._context is None:
            self._converse(sock)
        else:
            with self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as secured:
                self._now_is(sock, secured)
                secured.do_handshake()
                self._converse(secured)

    def _converse(self, sock):
        with sock.makefile("rb") as stream:
            while head := read_head(stream):
                target, headers = head
                stream.read(int(headers.get("content-length", 0)))
                self._note_request()
                url = urlsplit(target)  # through a proxy it is absolute
                if not self._answer(sock, url.path, {name: value[0] for name, value in parse_qs(url.query).items()}):
                    return

    def _answer(self, sock, path, query):
        """Answer one request; says whether the connection goes on."""
        _, verb, *rest = path.split("/")
        match verb:
            case "hang":
                until_gone(sock)
            case "headers-drip":
                trickle(sock, b"HTTP/1.1 200 OK\r\nX-Slow: ")
            case "drip":
                sock.sendall(response_head(200, "Transfer-Encoding: chunked"))
                trickle(sock, b"1\r\n.\r\n", whole=True)
            case "drip-close":
                sock.sendall(response_head(200, "Connection: close"))
                trickle(sock, b"")
            case "cut":
                return False
            case "empty":
                sock.sendall(response_head(204))
            case "stall":
                sock.sendall(response_head(200, "Content-Length: 1000") + b"." * 10)
                until_gone(sock)
            case "redirect":
                left = int(rest[0]) - 1
                to = query.get("to", "/ok")
                to = f"/redirect/{left}?to={to}" if left else to
                sock.sendall(response_head(302, f"Location: {to}", "Content-Length: 0"))
            case "status":
                extra = [f"Retry-After: {query['retry-after']}"] if "retry-after" in query else []
                sock.sendall(response_head(int(rest[0]), *extra, f"Content-Length: {len(BODY)}") + BODY)
            case "close":
                sock.sendall(response_head(200, "Connection: close", f"Content-Length: {len(BODY)}") + BODY)
            case _:
                headers = ("Content-Type: application/json", f"Content-Length: {len(BODY)}")
                sock.sendall(response_head(200, *headers) + BODY)
        return verb != "close"


class _Secured(ssl.SSLSocket):
    """One that is closed when the client has gone before the handshake: up to 3.12 Python itself leaks it then."""

    def getpeername(self):
        try:
            return super().getpeername()
        except OSError as error:
            self.close()
            raise Gone from error


class Proxy(Loopback):
    """An HTTP proxy: CONNECT tunnels, and absolute addresses, of which one connection goes to one server.

    ``seen`` has the first line of each connection.

    Args:
        hang_connect: never answer CONNECT.
    """

    def __init__(self, *, hang_connect=False):
        super().__init__()
        self._hang_connect = hang_connect
        self.seen = []

    def url(self):
        """The address of the proxy."""
        return f"http://{self.address}"

    def _serve(self, sock):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = sock.recv(1)  # not one more than the head: the rest is for the server
            if not byte:
                return
            head += byte
        line = head.split(b"\r\n")[0].decode()
        self.seen.append(line)
        self._note_request()
        method, target, _ = line.split(" ")
        if method == "CONNECT" and self._hang_connect:
            until_gone(sock)
        host, _, port = (target if method == "CONNECT" else urlsplit(target).netloc).rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as upstream:
            if method == "CONNECT":
                sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                upstream.sendall(head)
            splice(sock, upstream)


def read_head(stream):
    """The target and the headers of the next request; None when the client has closed."""
    line = stream.readline().decode("latin-1").rstrip("\r\n")
    if not line:
        return None
    headers = {}
    while header := stream.readline().decode("latin-1").rstrip("\r\n"):
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    return line.split(" ")[1], headers


def response_head(status, *headers):
    """The head of an answer."""
    return "\r\n".join((f"HTTP/1.1 {status} Whatever", *headers, "", "")).encode()


def trickle(sock, text, *, whole=False):
    """Send a text and then dots, a byte a second, or the whole text every second, until the client is gone."""
    pieces = itertools.repeat(text) if whole else itertools.chain((bytes([b]) for b in text), itertools.repeat(b"."))
    for piece in pieces:
        sock.sendall(piece)
        until_gone(sock, PACE)
