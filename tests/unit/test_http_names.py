"""Names in addresses: decoded once and strictly, whatever the router would make of them."""

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi import FastAPI, Request
from starlette.types import Message

from sangraha.errors import InvalidName
from sangraha.http.names import (
    BUCKET_PATTERN,
    MAX_NAME_BYTES,
    NamedPathMiddleware,
    bucket_name,
    bucket_of,
    checked_object_name,
    name_of,
    name_path,
    object_name,
)
from sangraha.http.problems import install_problems


def named_app() -> FastAPI:
    """Every address that names something, and says what."""
    app = FastAPI(redirect_slashes=False)

    @app.get("/buckets/{bucket}")
    async def bucket(request: Request) -> list[str]:
        return [bucket_of(request)]

    @app.get("/buckets/{bucket}/objects")
    async def names(request: Request) -> list[str]:
        return [bucket_of(request), "names"]

    @app.get("/buckets/{bucket}/objects/{name}")
    async def one(request: Request) -> list[str]:
        return [bucket_of(request), name_of(request)]

    @app.get("/buckets/{bucket}/versions/{name}")
    async def versions(request: Request) -> list[str]:
        return [bucket_of(request), "versions", name_of(request)]

    app.add_middleware(NamedPathMiddleware)
    install_problems(app)
    return app


APP = named_app()


async def get(path: str) -> tuple[int, Any]:
    """Ask for exactly this path, as servers hand it over: a client would tidy it up first."""
    raw, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": unquote(raw),
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await APP(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], json.loads(body)


def assert_invalid_name(answer: tuple[int, Any]) -> None:
    status, document = answer
    assert (status, document["type"]) == (422, "/problems/invalid-name"), document


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        ("a", "a"),
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a//b/", "a//b/"),
        ("/", "/"),
        ("%41%62c", "Abc"),
        ("a+b", "a+b"),
        ("100%2525", "100%25"),
        ("...", "..."),
        ("a/.b./c", "a/.b./c"),
        ("%E0%AA%AA%E0%AA%A4%E0%AB%8D%E0%AA%B0", "પત્ર"),
        ("%F0%9F%93%A6", "📦"),
        ("%D7%A9%D7%9C%D7%95%D7%9D.txt", "שלום.txt"),
        ("%E2%80%A8", "\u2028"),
        ("a%3Fb%23c", "a?b#c"),
        ("objects", "objects"),
        (MAX_NAME_BYTES * "x", MAX_NAME_BYTES * "x"),
        ("%F0%9F%93%A6" * 256, "📦" * 256),
    ],
)
async def test_a_name_comes_as_it_was_meant(rest: str, name: str) -> None:
    assert (await get(f"/buckets/default/objects/{rest}"))[1] == ["default", name]
    versions = await get(f"/buckets/default/versions/{rest}?limit=1")
    assert versions[1] == ["default", "versions", name]


@pytest.mark.parametrize(
    "rest",
    [
        "",
        ".",
        "..",
        "%2E%2e",
        "a/../b",
        "a/./b",
        "../b",
        "a/..",
        "a%2F..",
        "%0A",
        "a%0Ab",
        "a%0A",
        "%00",
        "%7F",
        "%C2%85",
        "%FF",
        "%C0%AF",
        "%ED%A0%80",
        "%F0%9F%93",
        "%",
        "a%2",
        "%zz",
        "100%",
        "x" * (MAX_NAME_BYTES + 1),
        "%F0%9F%93%A6" * 256 + "x",
    ],
)
async def test_a_name_that_no_object_may_have_is_refused(rest: str) -> None:
    for kind in ("objects", "versions"):
        assert_invalid_name(await get(f"/buckets/default/{kind}/{rest}"))


async def test_a_bucket_without_a_name_is_the_list_and_with_an_empty_one_is_refused() -> None:
    assert (await get("/buckets/default"))[1] == ["default"]
    assert (await get("/buckets/default/objects"))[1] == ["default", "names"]
    assert (await get("/buckets/default/objects/"))[0] == 422


async def test_fixed_parts_of_the_path_may_be_encoded_like_any_other() -> None:
    assert_invalid_name(await get("/%62uckets/d%65fault/%6Fbjects/a%2Fb%0A"))
    assert (await get("/%62uckets/d%65fault/%6Fbjects/a%2Fb"))[1] == ["default", "a/b"]


@pytest.mark.parametrize(
    "path",
    [
        "/buckets%2Fdefault/objects/a",
        "/buckets%2Fdefault",
        "/buckets/default/objects%2Fa",
        "/buckets/default%2Fobjects/a",
        "/buckets/default/objects%0A",
        "/buckets/default/objectsx/a",
        "//buckets/default/objects/a",
    ],
)
async def test_an_encoded_slash_separates_nothing(path: str) -> None:
    assert (await get(path))[0] == 404


@pytest.mark.parametrize("bucket", ["", "%FF", "a%2Fb", "%E0%AA%AA", "A", "a%0A", "%zz"])
async def test_a_bucket_that_cannot_be_is_refused(bucket: str) -> None:
    for rest in ("", "/objects", "/objects/a", "/versions/a"):
        assert_invalid_name(await get(f"/buckets/{bucket}{rest}"))


@pytest.mark.parametrize("name", ["abc", "a.b", "a-b", "0-9", "a" * 63, "default", "sangraha2"])
def test_buckets_may_be_called(name: str) -> None:
    assert bucket_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["ab", "a" * 64, "Abc", "a..b", ".ab", "ab.", "-ab", "ab-", "a_b", "a b", "abc\n", "sangraha"],
)
def test_buckets_may_not_be_called(name: str) -> None:
    with pytest.raises(InvalidName):
        bucket_name(name)


def test_the_documented_pattern_of_buckets_is_the_one_that_is_checked() -> None:
    for name, fits in [("abc", True), ("a..b", False), ("ab", False), ("a" * 64, False)]:
        assert bool(re.search(BUCKET_PATTERN, name)) is fits


@pytest.mark.parametrize("name", ["\ud800", "a\nb", "", "a/..", "\x9f"])
def test_names_in_documents_keep_the_same_rules(name: str) -> None:
    with pytest.raises(InvalidName):
        checked_object_name(name)


def test_the_address_of_a_name_keeps_slashes_and_nothing_else() -> None:
    assert (
        name_path("b-1", "a/b c?#%&+~_.-é")
        == "/buckets/b-1/objects/a/b%20c%3F%23%25%26%2B~_.-%C3%A9"
    )
    assert object_name(b"a%20b") == "a b"
