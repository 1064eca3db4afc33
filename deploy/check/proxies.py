"""The reverse proxies' files, in the real programs, before two servers that say who they are."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from deploy.check.compose import DEPLOY
from deploy.check.tools import running, said, tool
from immich_aio.services.sandbox.embedded.free_port import free_port

HTML = {"Accept": "text/html,application/xhtml+xml"}
JSON = {"Accept": "application/json"}

ROUTES = (
    ("GET", "/", HTML, "companion"),
    ("GET", "/photos/4c7e", HTML, "companion"),
    ("GET", "/share/key", HTML, "companion"),
    ("GET", "/aio", JSON, "companion"),
    ("GET", "/aio/health", JSON, "companion"),
    ("POST", "/api/search/smart", JSON, "companion"),
    ("POST", "/API/Search/Smart/", JSON, "companion"),
    ("POST", "/api/search/metadata", JSON, "companion"),
    ("POST", "/api/assets/jobs", JSON, "companion"),
    ("GET", "/_app/immutable/app.js", JSON, "immich"),
    ("GET", "/api/server/ping", HTML, "immich"),
    ("POST", "/api/assets", JSON, "immich"),
    ("GET", "/api/assets/jobs/x", JSON, "immich"),
    ("GET", "/api/socket.io/?transport=websocket", JSON, "immich"),
    ("POST", "/api/search/smarter", JSON, "immich"),
    ("GET", "/aiofoo.js", JSON, "immich"),
    ("GET", "/aio/metrics", JSON, "nobody (404)"),
    ("GET", "/AIO/Metrics/", HTML, "nobody (404)"),
)


Start = Callable[[Path, int, int], contextlib.AbstractContextManager[str]]
"""Start a proxy before Immich and the companion at these ports; where it listens."""


def check() -> str:
    """Both proxies, route by route, and once more without the companion."""
    for start in (_caddy, _nginx):
        with tempfile.TemporaryDirectory() as made, _server("immich") as immich:
            with _server("companion") as companion, start(Path(made), immich, companion) as url:
                _walk(url, {"companion": "companion"})
            with start(Path(made), immich, free_port()) as url:
                _walk(url, {"companion": "immich"})
    return f"Caddy and nginx: {len(ROUTES)} routes each, and the same without the companion"


def _walk(url: str, instead: Mapping[str, str]) -> None:
    for method, path, headers, expected in ROUTES:
        answer = _ask(url, method, path, headers)
        wanted = instead.get(expected, expected)
        assert answer == wanted, f"{method} {path} went to {answer}, not to {wanted}"


@contextlib.contextmanager
def _caddy(folder: Path, immich: int, companion: int) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}"
    variables = {
        "IMMICH_SITE": url,
        "IMMICH_ADDRESS": f"127.0.0.1:{immich}",
        "COMPANION_ADDRESS": f"127.0.0.1:{companion}",
    }
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n}\n" + (DEPLOY / "proxy" / "Caddyfile").read_text())
    options = ["--config", file, "--adapter", "caddyfile"]
    said(tool("caddy"), "validate", *options, **variables)
    with running([tool("caddy"), "run", *options], folder / "caddy.log", variables):
        _until_answers(url, folder / "caddy.log")
        yield url


@contextlib.contextmanager
def _nginx(folder: Path, immich: int, companion: int) -> Iterator[str]:
    port = free_port()
    site = (DEPLOY / "proxy" / "nginx.conf").read_text()
    places = {
        "listen 80": f"listen 127.0.0.1:{port}",
        ":2283": f":{immich}",
        ":2284": f":{companion}",
    }
    for there, here in places.items():
        site = site.replace(there, here)
    file = folder / "nginx.conf"
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;"
        f"events {{}} http {{ access_log off; {temporary}\n{site}}}"
    )
    command = [tool("nginx"), "-p", folder, "-c", file]
    said(*command, "-t")
    with running(command, folder / "nginx.log"):
        _until_answers(f"http://127.0.0.1:{port}", folder / "nginx.log")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _server(name: str) -> Iterator[int]:
    """A server that answers everything with its name."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(name)))
            self.end_headers()
            self.wfile.write(name.encode())

        do_POST = do_GET  # noqa: N815  # the name that the library looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


def _ask(url: str, method: str, path: str, headers: Mapping[str, str]) -> str:
    body = b"{}" if method == "POST" else None
    request = urllib.request.Request(url + path, body, dict(headers), method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
            return str(reply.read().decode())
    except urllib.error.HTTPError as error:
        return f"nobody ({error.code})"


def _until_answers(url: str, log: Path) -> None:
    end = time.monotonic() + 20
    while True:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            _ask(url, "GET", "/", {})
            return
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)  # nobody tells another process when it is ready
