"""Digests of what is sent: Repr-Digest and Content-Digest (RFC 9530), Content-MD5 (RFC 1864).

An upload is the representation itself, encoded or not: Repr-Digest is over the bytes as they come,
after any Content-Encoding and before any transfer coding, and here the same as Content-Digest.
"""

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from sangraha.errors import DigestMismatch, MalformedRequest
from sangraha.http.structured_fields import parse_byte_sequences

_SIZES: Final = {"sha-256": 32, "sha-512": 64, "md5": 16}


@dataclass(frozen=True, slots=True)
class Claim:
    """One digest that a client says its bytes have."""

    header: str
    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Expected:
    """All digests that were sent with a body; most bring none."""

    claims: tuple[Claim, ...] = ()

    @property
    def algorithms(self) -> frozenset[str]:
        """Those that have to be computed to check: of sha-256, sha-512 and md5."""
        return frozenset(claim.algorithm for claim in self.claims)


def expected_digests(headers: Headers) -> Expected:
    """The digests in these headers; algorithms that are not known here are ignored.

    Raises MalformedRequest for a field that cannot be read, or a digest of the wrong length.
    """
    claims: list[Claim] = []
    for header in ("Repr-Digest", "Content-Digest"):
        for algorithm, digest in parse_byte_sequences(header, headers.getlist(header)).items():
            if algorithm in _SIZES:
                claims.append(_claim(header, algorithm, digest))
    claims += [
        _claim("Content-MD5", "md5", _base64(value)) for value in headers.getlist("Content-MD5")
    ]
    return Expected(tuple(claims))


class Digester:
    """Computes SHA-256, which every object has, and what else is expected, as bytes pass."""

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self._sha256 = hashlib.sha256()
        self._hashes = {"sha-256": self._sha256}
        if "sha-512" in expected.algorithms:
            self._hashes["sha-512"] = hashlib.sha512()
        if "md5" in expected.algorithms:
            self._hashes["md5"] = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next bytes. Large ones are hashed without the interpreter's lock."""
        for one in self._hashes.values():
            one.update(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of all so far, in lower-case hexadecimal."""
        return self._sha256.hexdigest()

    def check(self) -> None:
        """Raises DigestMismatch, with the header that is not right, unless all are as expected."""
        for claim in self._expected.claims:
            if not hmac.compare_digest(self._hashes[claim.algorithm].digest(), claim.digest):
                raise DigestMismatch(
                    f"the body has another {claim.algorithm} digest than {claim.header} says",
                    header=claim.header,
                    algorithm=claim.algorithm,
                )


def repr_digest(sha256: str) -> str:
    """The Repr-Digest field of bytes with this SHA-256, given in hexadecimal."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode('ascii')}:"


def _claim(header: str, algorithm: str, digest: bytes) -> Claim:
    if len(digest) != _SIZES[algorithm]:
        raise MalformedRequest(f"{header}: a {algorithm} digest has {_SIZES[algorithm]} bytes")
    return Claim(header, algorithm, digest)


def _base64(value: str) -> bytes:
    try:
        return binascii.a2b_base64(value.strip(" \t").encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise MalformedRequest("Content-MD5 is not base64") from None
