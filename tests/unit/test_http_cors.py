"""Web pages of other origins: only those of the setting, told all they need, errors included."""

import httpx
import pytest

from sangraha.errors import BrokerUnavailable
from sangraha.http.app import create_app
from sangraha.http.cors import EXPOSED_HEADERS
from sangraha.http.routes import ROUTES
from sangraha.metrics import Metrics
from tests.unit.test_http_app import Workers

ORIGIN, OTHER = "https://app.example", "https://other.example"


def client(*origins: str, broken: Exception | None = None) -> httpx.AsyncClient:
    service = Workers()
    service.broken = broken
    app, _ = create_app([service], Metrics(), origins)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


async def preflight(
    http: httpx.AsyncClient, method: str, headers: str = "", origin: str = ORIGIN
) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method}
    if headers:
        asked["Access-Control-Request-Headers"] = headers
    return await http.options("/workers", headers=asked)


@pytest.mark.parametrize(
    ("error", "path", "status"),
    [
        (None, "/workers", 200),
        (BrokerUnavailable(), "/workers", 503),
        (ValueError("a mistake"), "/workers", 500),
        (None, "/nothing", 404),
        (None, "/dead-letters/x", 422),
        (None, "/buckets/%FF/objects/a", 404),
    ],
)
async def test_a_page_may_read_every_answer_and_its_headers(
    error: Exception | None, path: str, status: int
) -> None:
    async with client(ORIGIN, broken=error) as http:
        answer = await http.get(path, headers={"Origin": ORIGIN})
    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in answer.headers["vary"]
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert exposed == list(EXPOSED_HEADERS)
    assert {"ETag", "Location", "Content-Range", "Repr-Digest", "X-Request-ID"} <= set(exposed)
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["x-request-id"]


async def test_a_page_of_another_origin_may_not() -> None:
    async with client(ORIGIN) as http:
        answer = await http.get("/workers", headers={"Origin": OTHER})
        refused = await preflight(http, "GET", origin=OTHER)
    assert "access-control-allow-origin" not in answer.headers
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"
    assert "origin" in refused.json()["detail"]
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("method", sorted({route.method for route in ROUTES}))
async def test_a_page_may_use_every_method_with_any_header(method: str) -> None:
    asked = "If-Match, Range, Prefer, Repr-Digest, Idempotency-Key, Sangraha-Meta-Room"
    async with client(ORIGIN) as http:
        answer = await preflight(http, method, asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert method in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-headers"] == asked
    assert int(answer.headers["access-control-max-age"]) > 0
    assert answer.headers["x-request-id"]


async def test_a_method_that_is_nowhere_is_refused_to_a_page() -> None:
    async with client(ORIGIN) as http:
        answer = await preflight(http, "TRACE")
    assert answer.status_code == 400
    assert answer.json()["type"] == "/problems/malformed-request"


async def test_all_origins_may_be_allowed() -> None:
    async with client("*") as http:
        answer = await http.get("/workers", headers={"Origin": OTHER})
        asked = await preflight(http, "PUT", "if-none-match", origin=OTHER)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert asked.headers["access-control-allow-origin"] == "*"


async def test_without_the_setting_nothing_is_said_to_pages() -> None:
    async with client() as http:
        answer = await http.get("/workers", headers={"Origin": ORIGIN})
        asked = await preflight(http, "GET")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert asked.status_code == 405
    assert asked.json()["type"] == "/problems/method-not-allowed"
