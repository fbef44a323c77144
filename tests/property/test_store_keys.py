"""Any file name makes a key that every store takes, and any text is a key or refused."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sangraha.store.keys import is_key, next_key, object_key, require_key

KEY = re.compile(r"default/objects/([0-9a-f-]{36})(-[A-Za-z0-9._-]{1,64})?")


@given(st.uuids(), st.none() | st.text(max_size=300))
def test_any_file_name_makes_a_safe_key_of_the_object(
    object_id: UUID, file_name: str | None
) -> None:
    key = object_key("default", object_id, file_name)
    found = KEY.fullmatch(key)
    assert found is not None
    assert found[1] == str(object_id)
    assert require_key(key) == key


@given(
    st.text(st.characters(min_codepoint=0x61, max_codepoint=0x7A), min_size=1, max_size=200),
    st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True),
)
def test_a_short_extension_is_kept(stem: str, extension: str) -> None:
    assert object_key("b", UUID(int=1), f"{stem}.{extension}").endswith(f".{extension}")


@given(st.text(st.sampled_from("ab./ \\%\0é~*"), max_size=12))
def test_what_is_taken_as_a_key_stays_below_its_folder(text: str) -> None:
    try:
        key = require_key(text)
    except ValueError:
        assert not is_key(text)
        return
    assert is_key(text)
    assert key == text
    assert key.isascii()
    assert all(segment and not segment.startswith(".") for segment in key.split("/"))
    assert not set(key) & set("\\%\0~*")


@given(st.uuids(), st.none() | st.text(max_size=300))
def test_there_is_always_another_key_for_an_object(object_id: UUID, file_name: str | None) -> None:
    keys = [object_key("default", object_id, file_name)]
    slug = keys[0].removeprefix(f"default/objects/{object_id}")
    for number in range(2, 12):
        keys.append(require_key(next_key(keys[-1])))
        assert keys[-1] == f"default/objects/{object_id}.{number}{slug}"


def test_only_an_object_has_another_key() -> None:
    for key in ("", "default/objects/", "default/packs/1", f"default/objects/{UUID(int=1)}/2"):
        with pytest.raises(ValueError, match="not a key of an object"):
            next_key(key)
