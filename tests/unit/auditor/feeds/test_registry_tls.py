"""The schema registry over TLS: who it is must be proved, and so must be who we are."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from auditor.feeds.registry_connection import RegistryConnection
from auditor.settings import RegistryTls
from contracts.errors import FeedError, PausedFeedError, SettingsError
from tests.services.authority import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nothing goes to the terminal."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "registry-authority")


@pytest.fixture(scope="module")
def url(authority: Authority) -> Iterator[str]:
    """A server that shows a certificate for 127.0.0.1, and wants one."""
    certificate, key = authority.sign("127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # refused handshakes are what is tested
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_certificates_prove_both_sides(url: str, authority: Authority) -> None:
    certificate, key = authority.sign("auditor")
    tls = RegistryTls(ca=authority.certificate, cert=certificate, key=key)
    assert RegistryConnection("shop", [url], None, tls).get("/").body == b"{}"


def test_a_server_that_cannot_prove_who_it_is_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(FeedError, match="could not prove who it is") as raised:
        RegistryConnection("shop", [url], None, RegistryTls()).get("/")
    assert not isinstance(raised.value, PausedFeedError)


def test_without_a_certificate_of_ours_nothing_is_read(url: str, authority: Authority) -> None:
    with pytest.raises(FeedError):
        RegistryConnection("shop", [url], None, RegistryTls(ca=authority.certificate)).get("/")


def test_a_certificate_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="certificate of the schema registry of feed shop"):
        RegistryConnection("shop", ["https://h"], None, RegistryTls(ca=tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(SettingsError, match="certificate of the schema registry of feed shop"):
        RegistryConnection("shop", ["https://h"], None, RegistryTls(ca=tmp_path / "bad.pem"))
