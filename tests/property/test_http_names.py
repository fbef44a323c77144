"""Any name there may be goes through an address unharmed; anything else is refused."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Scope

from sangraha.errors import InvalidName
from sangraha.http.names import (
    checked_object_name,
    name_of,
    name_path,
    object_name,
    put_names_aside,
)


def is_allowed(name: str) -> bool:
    """The rules once more, said in another way."""
    return (
        0 < len(name.encode("utf-8", "surrogatepass")) <= 1024
        and all(unicodedata.category(char) not in ("Cc", "Cs") for char in name)
        and all(segment not in (".", "..") for segment in name.split("/"))
    )


names = st.text(st.characters() | st.sampled_from("/.%\n\0"), max_size=400)


@given(names)
@example("a/./b")
@example("%2F")
def test_a_name_survives_its_address_or_is_refused(name: str) -> None:
    if not is_allowed(name):
        try:
            checked_object_name(name)
        except InvalidName:
            return
        raise AssertionError(name)
    path = name_path("default", name)
    assert path.isascii()
    scope: Scope = {"type": "http", "path": "/anything", "raw_path": path.encode(), "headers": []}
    put_names_aside(scope)
    assert name_of(Request(scope)) == name
    # What the router sees is one segment, and ends where it should.
    assert scope["path"].count("/") == 4
    assert scope["path"].isascii()
    assert scope["path"].isprintable()


@given(
    st.binary(max_size=1200)
    | st.lists(st.sampled_from([b"%", b"2", b"F", b"/", b".", b"\xc3"])).map(b"".join)
)
def test_any_bytes_are_a_name_or_refused(raw: bytes) -> None:
    try:
        name = object_name(raw)
    except InvalidName:
        return
    assert is_allowed(name)
    assert object_name(name_path("b", name).removeprefix("/buckets/b/objects/").encode()) == name


@given(
    st.lists(
        st.sampled_from(
            [b"/", b"buckets", b"objects", b"%2F", b"%0A", b"a", b"%", b"\xff", b"versions"]
        )
    ).map(b"".join)
)
def test_any_raw_path_is_survived(raw: bytes) -> None:
    scope: Scope = {"type": "http", "path": raw.decode("latin-1"), "raw_path": raw, "headers": []}
    put_names_aside(scope)
    assert scope["path"] == raw.decode("latin-1") or scope["path"].startswith("/buckets/")
