"""A catalog's URL: which database it is, and what is no catalog."""

from pathlib import Path

import pytest

from sangraha.catalog.catalog import Catalog
from sangraha.catalog.on_postgresql import dsn_of
from sangraha.catalog.on_sqlite import file_of
from sangraha.errors import InvalidConfiguration


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///data/catalog.sqlite", "data/catalog.sqlite"),
        ("sqlite:////var/lib/catalog.sqlite", "/var/lib/catalog.sqlite"),
        ("sqlite:////with%20space/%C3%BC%3F.sqlite", "/with space/ü?.sqlite"),
    ],
)
def test_an_sqlite_url_names_a_file(url: str, file: str) -> None:
    assert file_of(url) == Path(file)


@pytest.mark.parametrize(
    ("url", "dsn"),
    [
        ("postgresql://u:p@h:5/d", "postgresql://u:p@h:5/d"),
        ("postgres://u:p%40@h/d?ssl=require", "postgres://u:p%40@h/d?sslmode=require"),
        (
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/a%20b.pem",
            "postgresql://h/d?sslmode=verify-full&sslrootcert=%2Fa+b.pem",
        ),
    ],
)
def test_a_postgresql_url_is_handed_on(url: str, dsn: str) -> None:
    assert dsn_of(url) == dsn


@pytest.mark.parametrize(
    "url",
    [
        "",
        "catalog.sqlite",
        "mysql://h/d",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/file",
        "sqlite:///file?mode=memory",
        "postgresql://host",
        "postgresql://host/",
    ],
)
def test_anything_else_is_a_wrong_configuration(url: str) -> None:
    with pytest.raises(InvalidConfiguration):
        Catalog(url, request_life_seconds=60)
