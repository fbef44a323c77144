"""Any file name comes back out of a Content-Disposition; no header does harm."""

import re
from contextlib import suppress
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from sangraha.errors import InvalidParameter
from sangraha.http.disposition import content_disposition, disposition_file_name, form_file_name

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=80)


@given(names, st.booleans())
def test_any_file_name_comes_back_out_of_content_disposition(name: str, is_saved: bool) -> None:
    header = content_disposition(None, name) if is_saved else content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    if extended := re.search(r"; filename\*=UTF-8''([^\s;\"]+)$", header):
        assert unquote(extended[1], errors="strict") == name
    else:
        assert header.endswith(f'; filename="{name}"')
    assert disposition_file_name(header) == name


@given(names)
def test_any_file_name_of_a_form_is_read(name: str) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    header = f'form-data; name="file"; filename="{escaped}"'.encode().decode("latin-1")
    expected = name
    for said, meant in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        expected = expected.replace(said, meant)
    if {"\r", "\n"}.isdisjoint(expected):
        assert form_file_name(header) == expected


@given(
    st.text(st.characters(codec="latin-1"))
    | st.from_regex(r"[a-z]{1,5}( *; *filename\*? *= *(\"[^\"]*\\?\"|[a-z'%\-]*))*", fullmatch=True)
)
def test_any_header_is_survived(header: str) -> None:
    for read in (disposition_file_name, form_file_name):
        with suppress(InvalidParameter):
            read(header)
