"""Which store a URL names, and what is said about one that names none."""

from pathlib import Path

import pytest

from sangraha.errors import InvalidConfiguration
from sangraha.store.local import LocalStore
from sangraha.store.obstore_store import ObstoreStore
from sangraha.store.open import open_store
from sangraha.store.s3 import S3BucketStore
from sangraha.store.s3_place import S3Place

S3 = "s3://bodies?endpoint=https://store.example:9000"


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("file:///var/lib/sangraha", LocalStore),
        ("memory://", ObstoreStore),
        (S3, S3BucketStore),
        ("s3://bodies", S3BucketStore),
        ("s3://bodies/?region=eu-central-1", S3BucketStore),
        ("s3://bodies?endpoint=http%3A%2F%2F127.0.0.1%3A9000%2F&allow_http=true", S3BucketStore),
    ],
)
def test_the_scheme_chooses_the_store(url: str, kind: type) -> None:
    assert type(open_store(url, timeout_seconds=5)) is kind


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must start with one of file://, memory://, s3://"),
        ("gs://bodies", "must start with one of"),
        ("/var/lib", "must start with one of"),
        ("file://var/lib", "whole path"),
        ("file:relative", "whole path"),
        ("file:///a/../b", "whole path"),
        ("file:///a?sync=no", "unknown parameter 'sync'"),
        ("memory://name", "just memory://"),
        ("memory://?x=1", "unknown parameter 'x'"),
        ("s3://", "name a bucket"),
        ("s3://Bodies", "name a bucket"),
        ("s3://bodies/prefix", "name a bucket"),
        (f"{S3}&colour=red", "unknown parameter 'colour'"),
        (f"{S3}&region=a&region=b", "region more than once"),
        (f"{S3}&access_key_id=a", "needs both"),
        (f"{S3}&secret_access_key=a", "needs both"),
        (f"{S3}&allow_http=yes", "true or false"),
        (f"{S3}#part", "fragment"),
        ("s3://bodies?endpoint=http://store.example", "add allow_http=true"),
        ("s3://bodies?endpoint=store.example:9000", "must be http://HOST:PORT"),
        ("s3://bodies?endpoint=https://store.example:99999", "must be http://HOST:PORT"),
        ("s3://bodies?endpoint=https://store.example/path", "must be http://HOST:PORT"),
        ("s3://[bodies", "cannot be read"),
    ],
)
def test_says_what_is_wrong_with_a_url(url: str, why: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        open_store(url, timeout_seconds=5)
    assert why in refused.value.detail


@pytest.mark.parametrize(
    "url",
    [
        "s3://user:hush-hush@bodies",
        "s3://bodies?secret_access_key=hush-hush",
        f"{S3}&access_key_id=a&secret_access_key=hush-hush&colour=red",
        f"{S3}&access_key_id=a&secret_access_key=hush-hush&secret_access_key=hush-hush",
        "s3://bodies?endpoint=https://user:hush-hush@store.example",
        "S4://bodies?secret_access_key=hush-hush",
    ],
)
def test_a_refused_url_gives_no_secret_away(url: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        open_store(url, timeout_seconds=5)
    assert "hush-hush" not in repr(refused.value)


def test_an_open_store_shows_no_secret() -> None:
    place = S3Place("bodies", "https://store.example", "us-east-1", "our-key", "hush-hush")
    assert "hush-hush" not in repr(place)
    assert "our-key" not in repr(place)


def test_a_plus_sign_in_a_secret_is_a_plus_sign() -> None:
    store = open_store(f"{S3}&access_key_id=a&secret_access_key=a+b%2Fc%20d", timeout_seconds=5)
    assert isinstance(store, S3BucketStore)
    assert store.place.secret_access_key == "a+b/c d"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "ap-south-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "ap-south-1"),
    ],
)
def test_the_region_comes_from_the_environment_where_the_url_has_none(
    given: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    store = open_store("s3://bodies", timeout_seconds=5)
    assert isinstance(store, S3BucketStore)
    assert store.place.region == expected
    assert store.place.endpoint == f"https://s3.{expected}.amazonaws.com"


def test_opening_touches_no_disk(tmp_path: Path) -> None:
    open_store((tmp_path / "bodies").as_uri(), timeout_seconds=5)
    assert not list(tmp_path.iterdir())
