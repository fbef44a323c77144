"""The OpenAPI document: complete in what is the same everywhere, whatever a service says itself."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import msgspec
import pytest
from starlette.responses import Response

from sangraha.errors import SangrahaError
from sangraha.http.app import OBJECT, Endpoint, create_app
from sangraha.http.openapi import BYTES
from sangraha.http.schemas import component_schemas, json_of
from sangraha.metrics import Metrics
from tests.unit.any_service import AnyService


class Wish(msgspec.Struct):
    """A body that only this service knows."""

    why: str


async def handler() -> Response:
    return Response()


async def by_id(object_id: UUID) -> Response:
    return Response(str(object_id))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    answers = {200: "Bytes", 206: "Some", 304: "Known", 404: "None", 416: "Outside", 503: "Away"}
    reading = Endpoint(handler, answers, {200: BYTES, 206: BYTES})
    wishing = Endpoint(
        handler,
        {201: "Made", 202: "Accepted", 415: "No"},
        {201: OBJECT, 202: json_of("Wish")},
        {"requestBody": {"content": json_of("Wish")}},
        models=[Wish],
    )
    getter = AnyService(
        "getter",
        get_named=reading,
        head_named=Endpoint(handler, answers),
        get_object=Endpoint(by_id, answers),
    )
    app, _ = create_app([getter, AnyService("receiver", put_object=wishing)], Metrics())
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert "#/components/schemas/Wish" in found
    for reference in found:
        assert resolved(document, {"$ref": reference})


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        said = [one["name"] for one in operation.get("parameters", []) if one["in"] == "path"]
        in_path = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        assert sorted(said) == sorted(in_path), (method, path)
        assert all(one["schema"] for one in operation.get("parameters", []))


def test_every_error_is_a_problem_and_every_answer_has_the_exchanges_id(
    document: dict[str, Any],
) -> None:
    for method, path, operation in operations(document):
        for status, answer in operation["responses"].items():
            response = resolved(document, answer)
            assert "X-Request-ID" in response["headers"]
            if int(status) >= 400 and method != "head" and path != "/health/ready":
                assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_what_any_address_may_answer_is_said_of_each(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        assert {"400", "408", "431", "500"} <= operation["responses"].keys(), path
        wrong = "422" in operation["responses"]
        assert wrong or not any(p["in"] == "query" for p in operation.get("parameters", []))


def test_answers_to_head_have_headers_and_no_content(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if method == "head":
            for answer in operation["responses"].values():
                assert "$ref" in answer or "content" not in answer, path
    head = document["paths"]["/buckets/{bucket}/objects/{name}"]["head"]["responses"]["200"]
    assert {"ETag", "Accept-Ranges", "Last-Modified"} <= head["headers"].keys()


def test_bytes_may_be_of_any_type_and_say_what_they_are(document: dict[str, Any]) -> None:
    responses = document["paths"]["/buckets/{bucket}/objects/{name}"]["get"]["responses"]
    assert list(responses["200"]["content"]) == ["*/*"]
    assert {"ETag", "Content-Disposition", "Repr-Digest"} <= responses["200"]["headers"].keys()
    assert "Content-Range" in responses["206"]["headers"]
    assert "Content-Range" in responses["416"]["headers"]
    assert "ETag" in responses["304"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


def test_a_service_adds_bodies_of_its_own(document: dict[str, Any]) -> None:
    put = document["paths"]["/buckets/{bucket}/objects/{name}"]["put"]
    assert put["requestBody"]["content"] == json_of("Wish")
    assert put["responses"]["201"]["content"] == OBJECT
    assert {"Location", "ETag"} <= put["responses"]["201"]["headers"].keys()
    assert document["components"]["schemas"]["Wish"]["required"] == ["why"]


def test_the_shared_addresses_say_what_they_are(document: dict[str, Any]) -> None:
    content = {
        path: list(operation["responses"]["200"]["content"])
        for _, path, operation in operations(document)
        if path.startswith(("/health", "/metrics", "/problems"))
    }
    assert content == {
        "/health": ["application/json"],
        "/health/live": ["application/json"],
        "/health/ready": ["application/json"],
        "/metrics": ["text/plain"],
        "/problems/{slug}": ["text/html"],
    }


def test_nothing_of_the_frameworks_own_errors_is_left(document: dict[str, Any]) -> None:
    assert not [name for name in references(document) if "ValidationError" in name]
    assert not [name for name in document["components"]["schemas"] if "Validation" in name]


def test_every_model_has_an_example_that_is_one() -> None:
    schemas = component_schemas([])
    assert {"StoredObject", "ObjectInfo", "NamePage", "VersionPage", "Bucket"} <= schemas.keys()
    assert schemas["StoredObject"]["properties"]["created_at"]["format"] == "date-time"
    for name in ("StoredObject", "ObjectInfo", "ObjectPage", "NamePage", "VersionPage", "Bucket"):
        (example,) = schemas[name]["examples"]
        assert example.keys() >= set(schemas[name]["required"])
    assert schemas["Problem"]["examples"][0]["type"].startswith("/problems/")


def test_the_document_is_made_once() -> None:
    app, _ = create_app([AnyService("orchestrator")], Metrics())
    assert app.openapi() is app.openapi()


def test_a_service_that_leaves_a_route_out_is_refused() -> None:
    class Lazy(AnyService):
        def endpoints(self) -> Mapping[str, Endpoint]:
            return {}

    with pytest.raises(LookupError):
        create_app([Lazy("getter")], Metrics())


def test_every_error_has_a_title_of_its_own() -> None:
    def tree(error: type[SangrahaError]) -> Iterator[type[SangrahaError]]:
        yield error
        for child in error.__subclasses__():
            yield from tree(child)

    slugs = [error.slug for error in tree(SangrahaError) if "slug" in vars(error)]
    assert len(slugs) == len(set(slugs))
