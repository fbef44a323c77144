"""File names in Content-Disposition: any Unicode out, whatever clients write in."""

import pytest

from sangraha.errors import InvalidParameter
from sangraha.http.disposition import (
    MAX_FILE_NAME_BYTES,
    checked_file_name,
    content_disposition,
    disposition_file_name,
    form_file_name,
)

ENCODED = "%E0%AA%AA%E0%AA%A4%E0%AB%8D%E0%AA%B0"


@pytest.mark.parametrize(
    ("file_name", "download", "expected"),
    [
        (None, None, "inline"),
        ("", None, "inline"),
        ("a b.txt", None, 'inline; filename="a b.txt"'),
        ("પત્ર.txt", None, f"inline; filename=\"____.txt\"; filename*=UTF-8''{ENCODED}.txt"),
        (None, "", "attachment"),
        ("a.txt", "", 'attachment; filename="a.txt"'),
        ("a.txt", "b.txt", 'attachment; filename="b.txt"'),
        (None, "é.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%A9.txt"),
        ('a"\\;.txt', None, "inline; filename=\"a__;.txt\"; filename*=UTF-8''a%22%5C%3B.txt"),
        ("50%25.txt", None, "inline; filename=\"50_25.txt\"; filename*=UTF-8''50%2525.txt"),
        ("a\r\nX: y", None, "inline; filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("\ud800", None, "inline; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_what_a_reader_is_told(file_name: str | None, download: str | None, expected: str) -> None:
    assert content_disposition(file_name, download) == expected


def as_received(text: str) -> str:
    """A header as the server hands it over: each byte a character."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("attachment", None),
        ("attachment; filename=example.html", "example.html"),
        ('INLINE; FILENAME= "an example.html"', "an example.html"),
        # The examples of RFC 6266, section 5.
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename*=iso-8859-1'en'%A3%20rates", "£ rates"),
        ("attachment; filename*=UTF-8''a.txt; filename=b.txt", "a.txt"),
        ('attachment; filename="f\\oo \\"x\\" \\\\.html"', 'foo "x" \\.html'),
        ('attachment; size=1; filename="a;b=c.txt"; x', "a;b=c.txt"),
        (as_received('attachment; filename="પત્ર.txt"'), "પત્ર.txt"),
        ('attachment; filename="\xe9t\xe9.txt"', "été.txt"),
        # What cannot be read says nothing.
        ('attachment; filename=""', None),
        ("attachment; filename*=UTF-16''x; filename=y", "y"),
        ("attachment; filename*=nonsense", None),
        ("; filename=x", None),
        ("filename=x", None),
        ('attachment; filename="x', None),
    ],
)
def test_the_name_that_an_upload_is_given(header: str | None, expected: str | None) -> None:
    assert disposition_file_name(header) == expected


@pytest.mark.parametrize(
    "header",
    [
        'a; filename="a\tb"',
        "a; filename*=UTF-8''a%00b",
        "a; filename*=UTF-8''%FF",
        "a; filename*=UTF-8''%ED%A0%80",
        'a; filename="' + (MAX_FILE_NAME_BYTES + 1) * "x" + '"',
    ],
)
def test_a_name_nobody_could_use_is_refused(header: str) -> None:
    with pytest.raises(InvalidParameter):
        disposition_file_name(header)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('form-data; name="file"', None),
        ('form-data; name="file"; filename=""', ""),
        ('form-data; name="file"; filename="a.pdf"', "a.pdf"),
        # As browsers, older clients and current ones write the same name.
        ('form-data; name="file"; filename="a%22b\\c.pdf"', 'a"b\\c.pdf'),
        ('form-data; name="file"; filename="a\\"b\\\\c.pdf"', 'a"b\\c.pdf'),
        ('form-data; name="file"; filename="50%.pdf"', "50%.pdf"),
        (as_received('form-data; name="file"; filename="પત્ર 📦.pdf"'), "પત્ર 📦.pdf"),
        ("form-data; name=\"file\"; filename*=UTF-8''a.pdf", None),
        (None, None),
    ],
)
def test_the_name_of_a_file_in_a_form(header: str | None, expected: str | None) -> None:
    assert form_file_name(header) == expected


@pytest.mark.parametrize("name", ["a%0Ab", "a%0D", "a\x7fb", "a\0b"])
def test_a_name_nobody_could_use_is_refused_in_a_form_too(name: str) -> None:
    with pytest.raises(InvalidParameter):
        form_file_name(f'form-data; name="file"; filename="{name}"')


def test_names_are_bounded_in_bytes() -> None:
    assert checked_file_name("é" * (MAX_FILE_NAME_BYTES // 2))
    with pytest.raises(InvalidParameter):
        checked_file_name("é" * (MAX_FILE_NAME_BYTES // 2) + "x")
    assert checked_file_name("") is None
