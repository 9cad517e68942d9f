"""An issuer of tokens as far as resource servers see it: its key set, its metadata, and tokens signed to order.

`POST /token` signs what it is told: {"claims", "header"?, "key"?}. `POST /do` changes what `/jwks` does from then on:
{"jwks": "good" | "garbage" | "huge" | "slow" | "error" | "redirect" | "empty", "rotate"?: true, "max_age"?: seconds}.
With `--tls FOLDER` the key set is served over TLS, by a certificate of the authority in FOLDER/ca.pem.
"""

import asyncio
import datetime
import ipaddress
import socket
import threading
from pathlib import Path
from typing import Any

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from serving import arguments, serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

ALGORITHMS = ["RS256", "ES256"]
SLOW_SECONDS = 30
HUGE_BYTES = 1 << 20


class Issuer:
    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.jwks = "good"
        self.max_age: int | None = None
        self.fetches = 0
        self.place = ""
        self.rotate()

    def rotate(self) -> None:
        """New keys in place of the old ones."""
        turn = len(self.keys)
        self.current = [
            ("ec", ECKey.generate_key("P-256", {"kid": f"ec-{turn}", "use": "sig", "alg": "ES256"})),
            ("rsa", RSAKey.generate_key(2048, {"kid": f"rsa-{turn}", "use": "sig"})),
        ]
        self.keys |= {f"{name}-{turn}": key for name, key in self.current} | dict(self.current)

    async def key_set(self, _request: Request) -> Response:
        self.fetches += 1
        headers = {} if self.max_age is None else {"cache-control": f"public, max-age={self.max_age}"}
        match self.jwks:
            case "good":
                return JSONResponse({"keys": [key.as_dict(private=False) for _, key in self.current]}, headers=headers)
            case "empty":
                return JSONResponse({"keys": []})
            case "garbage":
                return PlainTextResponse('{"keys": [], "keys": [')
            case "huge":
                return PlainTextResponse(" " * HUGE_BYTES)
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
                return PlainTextResponse("late")
            case "redirect":
                return RedirectResponse("/elsewhere")
            case _:
                return PlainTextResponse("down", 500)

    async def metadata(self, request: Request) -> Response:
        issuer = str(request.base_url).rstrip("/")
        return JSONResponse({"issuer": issuer, "jwks_uri": f"{self.place or issuer}/jwks"})

    async def token(self, request: Request) -> Response:
        asked = await request.json()
        key = self.keys[asked.get("key", "ec")]
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        header = {"alg": algorithm, "typ": "at+jwt", "kid": key.kid} | asked.get("header", {})
        return PlainTextResponse(jwt.encode(header, asked["claims"], key, algorithms=ALGORITHMS))

    async def do(self, request: Request) -> Response:
        asked = await request.json()
        self.jwks = asked.get("jwks", self.jwks)
        self.max_age = asked.get("max_age", self.max_age)
        if asked.get("rotate"):
            self.rotate()
        return JSONResponse({"fetches": self.fetches})


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback with its key, by an authority of its own in `ca.pem`."""
    now = datetime.datetime.now(datetime.UTC)

    def signed(name: str, key: Any, by: Any, issuer: str, *extensions: tuple[x509.ExtensionType, bool]) -> bytes:
        named = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
        builder = x509.CertificateBuilder().subject_name(named[0]).issuer_name(named[1]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, is_critical)
        return builder.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    (folder / "ca.pem").write_bytes(
        signed("ca", authority, authority, "ca", (x509.BasicConstraints(ca=True, path_length=0), True))
    )
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    (folder / "server.pem").write_bytes(signed("server", key, authority, "ca", (names, False)))
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.key").write_bytes(encoded)
    return folder / "server.pem", folder / "server.key"


if __name__ == "__main__":
    parser = arguments(__doc__ or "")
    parser.add_argument("--tls", type=Path, help="serve the key set over TLS too, and name that in the metadata")
    options = parser.parse_args()
    issuer = Issuer()
    key_set = Route("/jwks", issuer.key_set)
    if options.tls:
        listener = socket.create_server((options.host, 0))
        issuer.place = f"https://{options.host}:{listener.getsockname()[1]}"
        certificate, key = certified(options.tls)
        app = Starlette(routes=[key_set])
        config = uvicorn.Config(app, log_level="error", ssl_certfile=certificate, ssl_keyfile=key)
        threading.Thread(target=uvicorn.Server(config).run, kwargs={"sockets": [listener]}, daemon=True).start()
    routes = [
        key_set,
        Route("/.well-known/openid-configuration", issuer.metadata),
        Route("/token", issuer.token, methods=["POST"]),
        Route("/do", issuer.do, methods=["POST"]),
    ]
    serve(Starlette(routes=routes), options, "")
