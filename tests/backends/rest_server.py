"""A REST backend that takes no call without a genuine, unused Oakgate stamp over the very bytes it got."""

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
from joserfc import jwk, jws, jwt
from joserfc.errors import BadSignatureError, ExpiredTokenError, InvalidClaimError, JoseError
from serving import CallLog, all_headers, arguments, serve
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

REQUIRED_CLAIMS = ["aud", "body_sha256", "exp", "iat", "iss", "jti", "sub", "use", "verdict"]
# What a key is for is told by its type, never by the receipt.
ALGORITHM_OF_KEY_TYPE = {"oct": "HS256", "OKP": "EdDSA"}
STREAM_CHUNKS = 5
STREAM_PAUSE_SECONDS = 0.2

orders = {"1001": {"id": "1001", "total": 25}, "1002": {"id": "1002", "total": 40}}


class Refused(Exception):
    """A receipt that doesn't carry the call; the reason is for the caller."""


class ReceiptCheck:
    """Verifies receipts with a JOSE library; the key set is read anew for each, so that keys may rotate."""

    def __init__(self, keys: Path, audience: str) -> None:
        self.keys = keys
        self.audience = audience
        self.spent: set[str] = set()

    def claims(self, receipts: list[str], body: bytes) -> dict[str, Any]:
        """The claims of the one receipt, which is spent by this."""
        if not receipts:
            raise Refused("missing")
        if len(receipts) > 1:
            raise Refused("malformed")
        claims = self.signed_claims(receipts[0])
        if claims["use"] != "stamp":
            raise Refused("not-a-stamp")
        if claims["body_sha256"] != base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("="):
            raise Refused("wrong-body")
        if claims["jti"] in self.spent:
            raise Refused("replayed")
        self.spent.add(claims["jti"])
        return claims

    def signed_claims(self, receipt: str) -> dict[str, Any]:
        required: dict[str, Any] = {name: {"essential": True} for name in REQUIRED_CLAIMS}
        required["aud"]["value"] = self.audience
        try:
            header = jws.extract_compact(receipt.encode()).headers()
            if header.get("typ") != "oakgate-receipt+jwt":
                raise Refused("malformed")
            key = self.key(header.get("kid"))
            claims = jwt.decode(receipt, key, algorithms=[ALGORITHM_OF_KEY_TYPE[key.key_type]]).claims
            jwt.JWTClaimsRegistry(**required).validate(claims)
        except ExpiredTokenError as error:
            raise Refused("expired") from error
        except BadSignatureError as error:
            raise Refused("bad-signature") from error
        except InvalidClaimError as error:
            raise Refused("wrong-audience" if error.claim == "aud" else "malformed") from error
        except (JoseError, ValueError) as error:
            raise Refused("malformed") from error
        return claims

    def key(self, kid: str | None) -> jwk.Key:
        for known in json.loads(self.keys.read_text())["keys"]:
            if known["kid"] == kid and time.time() < known.get("not_after", float("inf")):
                return jwk.import_key(known)
        raise Refused("unknown-key")


async def refund(request: Request) -> Response:
    body = await request.json()
    return JSONResponse({"ledger": request.path_params["ledger"], "refunded": body["amount"]}, 201)


async def read_order(request: Request) -> Response:
    order = orders.get(request.path_params["id"])
    return JSONResponse({"error": "no such order"}, 404) if order is None else JSONResponse(order)


async def delete_order(request: Request) -> Response:
    order = orders.pop(request.path_params["id"], None)
    return JSONResponse({"error": "no such order"}, 404) if order is None else Response(status_code=204)


async def stream(_: Request) -> Response:
    async def chunks() -> AsyncIterator[str]:
        for number in range(STREAM_CHUNKS):
            yield f"chunk {number + 1}\n"
            await anyio.sleep(STREAM_PAUSE_SECONDS)

    return StreamingResponse(chunks(), media_type="text/plain")


class StampedOnly(BaseHTTPMiddleware):
    """Lets a request through to its route only with a good receipt, and logs it then."""

    def __init__(self, app: ASGIApp, check: ReceiptCheck, log: CallLog) -> None:
        super().__init__(app)
        self.check = check
        self.log = log

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        body = await request.body()
        try:
            claims = self.check.claims(request.headers.getlist("oakgate-receipt"), body)
        except Refused as refusal:
            return JSONResponse({"error": "receipt refused", "reason": str(refusal)}, 401)
        self.log.write(
            {
                "method": request.method,
                "path": request.url.path,
                "query": request.url.query,
                "body": body.decode(errors="replace"),
                "headers": all_headers(request.headers),
                "claims": claims,
            }
        )
        return await call_next(request)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("--keys", type=Path, required=True, help="a JWK set")
    parser.add_argument("--audience", required=True, help="this backend's name, the `aud` of its receipts")
    options = parser.parse_args()
    routes = [
        Route("/v1/refunds/{ledger}", refund, methods=["POST"]),
        Route("/v1/orders/{id}", read_order, methods=["GET"]),
        Route("/v1/orders/{id}", delete_order, methods=["DELETE"]),
        Route("/stream", stream, methods=["GET"]),
    ]
    stamped = Middleware(StampedOnly, check=ReceiptCheck(options.keys, options.audience), log=CallLog(options.log))
    serve(Starlette(routes=routes, middleware=[stamped]), options, "")
