"""A sign-in service on loopback, over TLS; its tokens are numbered."""

import json
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

import trustme

HOST = "login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"


@dataclass
class SignIn:
    """``forms`` holds what was posted for a token, ``paths`` where; ``says`` refuses with words."""

    authority: trustme.CA
    lives: float = 3600
    says: str = ""
    forms: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def certificate(self, folder: Path) -> Path:
        """A file that says whom to trust, to trust this."""
        path = folder / "sign-in authority.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return path

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, object]]:
        self.forms.append(form)
        if self.says:
            return 401, {"error": "invalid_client", "error_description": self.says}
        token = f"token-{len(self.forms)}"
        return 200, {"access_token": token, "expires_in": self.lives, "token_type": "Bearer"}

    def documents(self, tenant: str) -> dict[str, object]:
        base = f"https://{HOST}/{tenant}"
        return {
            "tenant_discovery_endpoint": f"{base}/v2.0/.well-known/openid-configuration",
            "metadata": [],
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
        }

    def __enter__(self) -> Self:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, service.documents("contoso-tenant"))

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                service.paths.append(urlsplit(self.path).path)
                form = {name: value for name, (value,) in parse_qs(text).items()}
                self.answer(*service.token(form))

            def answer(self, status: int, value: dict[str, object]) -> None:
                body = json.dumps(value).encode()
                self.send_response_only(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # whoever does not trust this hangs up

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost", "127.0.0.1", HOST).configure_cert(context)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
