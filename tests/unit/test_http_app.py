"""What every service does alike over HTTP: problems, ids, health, a clean end of refused bodies."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from sangraha.errors import BrokerUnavailable, OutcomeUnknown, TypeNotAllowed, Unavailable
from sangraha.http.app import Endpoint, create_app
from sangraha.http.bodies import bounded_chunks
from sangraha.http.health import Check
from sangraha.http.problem_pages import problem_types
from sangraha.http.routes import ROUTES, Service, routes_of
from sangraha.metrics import Metrics
from tests.unit.any_service import AnyService


class Workers:
    """A real service of one thing or another behind the orchestrator's addresses."""

    name: Service = "orchestrator"

    def __init__(self) -> None:
        self.broken: Exception | None = None

    def endpoints(self) -> Mapping[str, Endpoint]:
        async def fails(request: Request) -> Response:
            if self.broken is not None:
                raise self.broken
            return Response("fine")

        async def reads(request: Request) -> Response:
            async for _ in bounded_chunks(request, 10):
                pass
            return Response("read")

        async def one(letter_id: int) -> Response:
            return Response(str(letter_id))

        answers = {200: "fine", 415: "no"}
        return {
            **{name: Endpoint(fails, answers) for name in routes_of(self.name)},
            "list_workers": Endpoint(fails, answers),
            "list_dead_letters": Endpoint(reads, answers),
            "get_dead_letter": Endpoint(one, answers),
        }

    def checks(self) -> Mapping[str, Check]:
        async def check() -> None:
            if isinstance(self.broken, BrokerUnavailable):
                raise self.broken

        return {"broker": check}

    async def start(self) -> None:
        """Nothing to start."""

    async def started(self) -> None:
        """It works."""

    async def drain(self, timeout_seconds: float) -> None:
        """Nothing to finish."""


@pytest.fixture
def service() -> Workers:
    return Workers()


@pytest.fixture
def app(service: Workers) -> FastAPI:
    return create_app([service], Metrics())[0]


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def assert_problem(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["type"] == f"/problems/{slug}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["exchange_id"] == answer.headers["x-request-id"]
    return document


async def test_an_unknown_address_and_a_wrong_method_are_problems(http: httpx.AsyncClient) -> None:
    assert_problem(await http.get("/nothing"), 404, "not-found")
    answer = await http.delete("/workers")
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("path", ["/workers", "/health", "/problems/not-found", "/metrics"])
async def test_an_address_says_which_methods_it_takes(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path)
    assert_problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET"


async def test_an_address_that_looks_like_an_id_keeps_its_own_methods() -> None:
    async def by_id(object_id: UUID) -> Response:
        return Response(str(object_id))

    async def make() -> Response:
        return Response(status_code=201)

    reading, making = Endpoint(by_id, {200: "Fine"}), Endpoint(make, {201: "Made"})
    services = [
        AnyService("getter", get_object=reading, head_object=reading),
        AnyService("receiver", delete_object=reading, create_image=making),
    ]
    app, _ = create_app(services, Metrics())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        for method in ("GET", "DELETE", "OPTIONS"):
            answer = await http.request(method, "/objects/image")
            assert_problem(answer, 405, "method-not-allowed")
            assert answer.headers["allow"] == "POST"
        assert (await http.post("/objects/image")).status_code == 201
        assert_problem(await http.get("/objects/x"), 422, "invalid-parameter")
        answer = await http.post("/objects/x")
        assert_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == "DELETE, GET, HEAD"


async def test_a_wrong_parameter_is_a_problem_that_names_it(http: httpx.AsyncClient) -> None:
    document = assert_problem(await http.get("/dead-letters/x"), 422, "invalid-parameter")
    assert document["parameters"][0]["parameter"] == "letter_id"


async def test_an_error_of_ours_carries_its_members(
    http: httpx.AsyncClient, service: Workers
) -> None:
    service.broken = TypeNotAllowed("a PNG image", detected="image/png", allowed=["pdf"])
    document = assert_problem(await http.get("/workers"), 415, "type-not-allowed")
    assert document["detected"] == "image/png"
    assert document["allowed"] == ["pdf"]


async def test_what_is_away_says_when_to_come_back_and_is_not_ready(
    http: httpx.AsyncClient, service: Workers
) -> None:
    assert (await http.get("/health/ready")).status_code == 200
    service.broken = BrokerUnavailable("gone")
    answer = await http.get("/workers")
    assert_problem(answer, 503, "broker-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    ready = await http.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["parts"] == {"broker": "gone"}
    assert (await http.get("/health/live")).status_code == 200
    assert (await http.get("/health")).json()["status"] == "not ready"


async def test_an_unexpected_error_is_a_problem_without_its_secrets_and_is_logged(
    http: httpx.AsyncClient, service: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    service.broken = ValueError("password=hunter2")
    answer = await http.get("/workers")
    assert_problem(answer, 500, "internal-fault")
    assert "hunter2" not in answer.text
    assert "hunter2" in caplog.text


async def test_ids_of_the_caller_are_kept_and_malformed_ones_are_not(
    http: httpx.AsyncClient,
) -> None:
    given = {"X-Request-ID": "abc-1", "X-Correlation-ID": "order/7"}
    answer = await http.get("/workers", headers=given)
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-correlation-id"] == "order/7"
    answer = await http.get("/workers", headers={"X-Request-ID": "a b", "X-Correlation-ID": "a,b"})
    assert len(answer.headers["x-request-id"]) == 36
    assert "x-correlation-id" not in answer.headers


async def test_a_body_that_was_not_read_closes_the_connection(http: httpx.AsyncClient) -> None:
    refused = await http.request("GET", "/dead-letters", content=b"x" * 11)
    assert_problem(refused, 413, "body-too-large")
    assert refused.headers["connection"] == "close"
    read = await http.request("GET", "/dead-letters", content=b"x" * 10)
    assert read.status_code == 200
    assert "connection" not in read.headers


async def test_metrics_count_by_route_of_the_table(http: httpx.AsyncClient) -> None:
    await http.get("/workers")
    await http.get("/dead-letters/1")
    await http.get("/anything/else")
    page = (await http.get("/metrics")).text
    assert 'sangraha_http_requests_total{route="list_workers",status="200"} 1.0' in page
    assert 'sangraha_http_requests_total{route="get_dead_letter",status="200"} 1.0' in page
    assert 'sangraha_http_requests_total{route="unknown",status="404"} 1.0' in page


async def test_every_problem_type_has_its_page(http: httpx.AsyncClient) -> None:
    for error in problem_types():
        page = await http.get(f"/problems/{error.slug}")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"<code>{error.slug}</code>, {error.status}" in page.text
        assert ("seconds in Retry-After" in page.text) == (
            issubclass(error, Unavailable) and error is not OutcomeUnknown
        )
    assert_problem(await http.get("/problems/other"), 404, "not-found")


async def test_openapi_describes_exactly_the_services_routes(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    described = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    own = {(route.method, route.path) for route in ROUTES if route.service == "orchestrator"}
    assert own <= described
    assert "StoredObject" in document["components"]["schemas"]


def test_no_two_routes_share_an_address_or_an_operation() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len({route.operation for route in ROUTES}) == len(ROUTES)
