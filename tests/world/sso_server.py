"""A stand-in for IAM Identity Center: the two calls of the OIDC and portal protocols that profiles need.

Everything else goes on to the embedded AWS, so that one endpoint serves a whole profile. A login follows no endpoint
for everything, so the variables that name the services of a login lead here.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from tests.world.server import Embedded, serving

START_URL = "https://example.awsapps.com/start"
TOKEN, REFRESH_TOKEN = "canary-sso-token", "canary-refresh-token"


def role(embedded: Embedded, name: str) -> str:
    """The ARN of a role in the embedded AWS."""
    iam = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1").client(
        "iam", endpoint_url=embedded.url
    )
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")
    return f"arn:aws:iam::123456789012:role/{name}"


def assumed(embedded: Embedded, arn: str) -> Any:
    """Keys of a session of that role, as STS gives them."""
    sts = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1").client(
        "sts", endpoint_url=embedded.url
    )
    return sts.assume_role(RoleArn=arn, RoleSessionName="me")["Credentials"]


@dataclass
class Center:
    """The stand-in: its URL, the token that it accepts, and what it was asked."""

    url: str = ""
    token: str = TOKEN
    revoked: bool = False
    keys: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def cached(self, home: Path, name: str, *, minutes: float, refreshable: bool = True) -> Path:
        """A login as `aws sso login` leaves it in the cache, good for another ``minutes``."""
        ends = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = {"accessToken": TOKEN, "expiresAt": ends, "region": "eu-west-1", "startUrl": START_URL}
        if refreshable:
            content |= {
                "refreshToken": REFRESH_TOKEN,
                "clientId": "client",
                "clientSecret": "canary-client-secret",
                "registrationExpiresAt": "2099-01-01T00:00:00Z",
            }
        folder = home / ".aws" / "sso" / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{hashlib.sha1(name.encode()).hexdigest()}.json"
        path.write_text(json.dumps(content))
        return path


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers for a :class:`Center`; what it does not know it passes on to the server ``behind``."""

    state: Center
    behind: str

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path)
        self.state.asked.append(path.path)
        if path.path == "/token":
            self.answer(*self.renewed(json.loads(body)))
        elif path.path == "/federation/credentials":
            self.answer(*self.credentials(parse_qs(path.query)))
        else:
            self.pass_on(body)

    do_GET = do_POST  # noqa: N815

    def renewed(self, request: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """CreateToken of the OIDC service, for a refresh token."""
        if self.state.revoked or request.get("refreshToken") != REFRESH_TOKEN:
            return 400, {"error": "invalid_grant", "__type": "InvalidGrantException"}
        self.state.token = "canary-sso-token-2"
        return 200, {"accessToken": self.state.token, "expiresIn": 3600, "refreshToken": REFRESH_TOKEN}

    def credentials(self, query: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        """GetRoleCredentials of the portal."""
        if self.headers["x-amz-sso_bearer_token"] != self.state.token or self.state.revoked:
            return 401, {"__type": "UnauthorizedException", "message": "Session token not found or invalid"}
        assert query == {"role_name": ["reader"], "account_id": ["123456789012"]}
        keys = self.state.keys
        return 200, {
            "roleCredentials": {
                "accessKeyId": keys["AccessKeyId"],
                "secretAccessKey": keys["SecretAccessKey"],
                "sessionToken": keys["SessionToken"],
                "expiration": int(keys["Expiration"].timestamp() * 1000),
            }
        }

    def answer(self, status: int, body: dict[str, Any]) -> None:
        error = {"x-amzn-errortype": body["__type"]} if "__type" in body else {}
        self.write(status, {"Content-Type": "application/json", **error}, json.dumps(body).encode())

    def pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(self.behind).netloc)
        connection.request(self.command, self.path, body=body, headers=dict(self.headers))
        answer = connection.getresponse()
        kept = {
            name: value for name, value in answer.getheaders() if name.lower().startswith(("content-type", "x-amz"))
        }
        self.write(answer.status, kept, answer.read())
        connection.close()

    def write(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(data))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Keep the test's output its own."""


#: the variables that name the endpoints of logins
VARIABLES = tuple(f"AWS_ENDPOINT_URL_{service}" for service in ("SSO", "SSO_OIDC", "SIGNIN", "STS"))


@pytest.fixture
def center(embedded: Embedded, monkeypatch: pytest.MonkeyPatch) -> Iterator[Center]:
    state = Center()
    with serving(type("OfThisTest", (Handler,), {"state": state, "behind": embedded.url})) as url:
        state.url = url
        for name in VARIABLES:
            monkeypatch.setenv(name, url)
        yield state
