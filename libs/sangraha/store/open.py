"""The store that a URL names. Opening touches neither network nor disk: `start` does."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from obstore.store import MemoryStore

from sangraha.errors import InvalidConfiguration
from sangraha.store.local import LocalStore
from sangraha.store.obstore_store import ObstoreStore
from sangraha.store.protocol import Store
from sangraha.store.s3 import S3BucketStore
from sangraha.store.s3_place import S3Place

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_S3_PARAMETERS: Final = frozenset(
    {"endpoint", "region", "access_key_id", "secret_access_key", "allow_http"}
)


def open_store(url: str, *, timeout_seconds: float) -> Store:
    """The store of `file:///PATH`, `memory://` or `s3://BUCKET?endpoint=...` (also `region`,
    `access_key_id`, `secret_access_key`, `allow_http=true`).

    `timeout_seconds` bounds every call. Raises InvalidConfiguration, never with a secret in it.
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidConfiguration("The store's URL cannot be read") from error
    opener = _OPENERS.get(parts.scheme)
    if opener is None:
        known = ", ".join(f"{scheme}://" for scheme in _OPENERS)
        raise InvalidConfiguration(f"The store's URL must start with one of {known}")
    if parts.fragment or "@" in parts.netloc:
        raise InvalidConfiguration("The store's URL may have neither a user nor a fragment")
    return opener(parts, timeout_seconds)


def _file(parts: SplitResult, timeout_seconds: float) -> Store:
    _parameters(parts, frozenset())
    folder = Path(unquote(parts.path))
    if parts.netloc or not folder.is_absolute() or ".." in folder.parts:
        raise InvalidConfiguration("The store's URL must name a whole path: file:///PATH")
    return LocalStore(folder, timeout_seconds=timeout_seconds)


def _memory(parts: SplitResult, timeout_seconds: float) -> Store:
    _parameters(parts, frozenset())
    if parts.netloc or parts.path:
        raise InvalidConfiguration("The store's URL is just memory://, without a name")
    return ObstoreStore(MemoryStore(), timeout_seconds=timeout_seconds)


def _s3(parts: SplitResult, timeout_seconds: float) -> Store:
    given = _parameters(parts, _S3_PARAMETERS)
    if _BUCKET.fullmatch(parts.netloc) is None or parts.path not in ("", "/"):
        raise InvalidConfiguration("The store's URL must name a bucket: s3://BUCKET?endpoint=...")
    if ("access_key_id" in given) != ("secret_access_key" in given):
        raise InvalidConfiguration(
            "The store's URL needs both access_key_id and secret_access_key, or neither"
        )
    region = given.get("region") or S3Place.default_region()
    endpoint = given.get("endpoint") or f"https://s3.{region}.amazonaws.com"
    _check_endpoint(endpoint, given.get("allow_http", "false"))
    place = S3Place(
        bucket=parts.netloc,
        endpoint=endpoint.rstrip("/"),
        region=region,
        access_key_id=given.get("access_key_id"),
        secret_access_key=given.get("secret_access_key"),
    )
    return S3BucketStore(place, timeout_seconds=timeout_seconds)


def _check_endpoint(endpoint: str, allow_http: str) -> None:
    if allow_http not in ("true", "false"):
        raise InvalidConfiguration("The store's allow_http must be true or false")
    try:
        parts = urlsplit(endpoint)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.path not in ("", "/") or parts.query or "@" in parts.netloc:
        raise InvalidConfiguration("The store's endpoint must be http://HOST:PORT or https://HOST")
    if parts.scheme == "http" and allow_http == "false":
        raise InvalidConfiguration("The store's endpoint is plain HTTP: add allow_http=true")


def _parameters(parts: SplitResult, known: frozenset[str]) -> dict[str, str]:
    """The query's parameters. A plus sign is itself: keys have them, forms are not meant here."""
    given: dict[str, str] = {}
    for parameter in filter(None, parts.query.split("&")):
        name, _, value = parameter.partition("=")
        if name not in known:
            raise InvalidConfiguration(f"The store's URL has an unknown parameter {name[:40]!r}")
        if name in given:
            raise InvalidConfiguration(f"The store's URL has {name} more than once")
        given[name] = unquote(value)
    return given


_OPENERS: Final[dict[str, Callable[[SplitResult, float], Store]]] = {
    "file": _file,
    "memory": _memory,
    "s3": _s3,
}
