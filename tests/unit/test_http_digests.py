"""Digests that come with a body: read strictly, checked, and named where they are not right."""

import base64
import hashlib

import pytest
from starlette.datastructures import Headers

from sangraha.errors import DigestMismatch, MalformedRequest
from sangraha.http.digests import Claim, Digester, Expected, expected_digests, repr_digest

BODY = b'{"hello": "world"}\n'
SHA256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
"""The digest of BODY as RFC 9530, appendix B.1, has it."""
SHA512 = f"sha-512=:{base64.b64encode(hashlib.sha512(BODY).digest()).decode()}:"
MD5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
PARAMETERS = ';a;b=1; c="x\\"y";d=:QQ==:;e=?1;f=tok/en;g=1.5;h=@12;i=%"%c3%a9"'
WRONG = f"sha-256=:{'A' * 43}=:"


def sent(*fields: tuple[str, str]) -> Headers:
    return Headers(raw=[(name.lower().encode(), value.encode("latin-1")) for name, value in fields])


def digester(*fields: tuple[str, str]) -> Digester:
    digester = Digester(expected_digests(sent(*fields)))
    digester.update(BODY[:5])
    digester.update(memoryview(BODY)[5:])
    return digester


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("Repr-Digest", SHA256)],
        [("Content-Digest", SHA256)],
        [("Repr-Digest", SHA512)],
        [("Repr-Digest", f"{SHA256}, {SHA512}")],
        [("Repr-Digest", SHA256), ("Repr-Digest", SHA512)],
        [("Repr-Digest", f"md5=:{MD5}:")],
        [("Content-MD5", MD5)],
        [("Repr-Digest", SHA256), ("Content-Digest", SHA512), ("Content-MD5", MD5)],
        # What is not known is not checked.
        [("Repr-Digest", "unixsum=:AAAA:")],
        [("Repr-Digest", f"sha=:AAAA:, {SHA256}")],
        # Parameters, white space, an earlier member of the same key.
        [("Repr-Digest", f" {SHA256}{PARAMETERS} ,\t{SHA512}  ")],
        [("Repr-Digest", f"{WRONG}, {SHA256}")],
        [("Repr-Digest", SHA256.replace("=:", ":").replace("256:", "256=:"))],
        [("Repr-Digest", "")],
    ],
)
def test_a_body_that_is_as_it_was_said_to_be_is_taken(fields: list[tuple[str, str]]) -> None:
    checked = digester(*fields)
    checked.check()
    assert checked.sha256 == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize(
    ("fields", "header", "algorithm"),
    [
        ([("Repr-Digest", WRONG)], "Repr-Digest", "sha-256"),
        ([("Content-Digest", WRONG)], "Content-Digest", "sha-256"),
        ([("Repr-Digest", SHA256), ("Content-Digest", WRONG)], "Content-Digest", "sha-256"),
        ([("Repr-Digest", f"{SHA256}, {WRONG}")], "Repr-Digest", "sha-256"),
        ([("Repr-Digest", f"{SHA256}, sha-512=:{'A' * 86}==:")], "Repr-Digest", "sha-512"),
        ([("Repr-Digest", f"md5=:{'A' * 22}==:")], "Repr-Digest", "md5"),
        ([("Content-MD5", f"{'A' * 22}==")], "Content-MD5", "md5"),
        ([("Content-MD5", MD5), ("Content-MD5", f"{'A' * 22}==")], "Content-MD5", "md5"),
    ],
)
def test_a_body_that_is_not_is_refused_and_the_header_named(
    fields: list[tuple[str, str]], header: str, algorithm: str
) -> None:
    with pytest.raises(DigestMismatch, match=header) as refused:
        digester(*fields).check()
    assert refused.value.members == {"header": header, "algorithm": algorithm}


@pytest.mark.parametrize(
    "value",
    [
        "sha-256",
        "sha-256=abc",
        'sha-256="RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="',
        "sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
        "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
        "sha-256 = :RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:",
        "sha-256=:RK/0:",
        "sha-256=:A:",
        "sha-256=:====:",
        "sha-256=::",
        "unixsum=1",
        "unixsum=:QQ==QQ==:",
        "sha-256=(:AAAA:)",
        f"{SHA256},",
        f",{SHA256}",
        f"{SHA256} {SHA512}",
        f"{SHA256};",
        f"{SHA256};A=1",
        f"{SHA256}x",
        "é",
    ],
)
def test_a_digest_that_cannot_be_read_is_refused(value: str) -> None:
    for header in ("Repr-Digest", "Content-Digest"):
        with pytest.raises(MalformedRequest, match=header):
            expected_digests(sent((header, value)))


@pytest.mark.parametrize("value", ["", "x", "AAAA", MD5[:-1], f"{MD5} {MD5}", "é", f":{MD5}:"])
def test_a_content_md5_that_cannot_be_read_is_refused(value: str) -> None:
    with pytest.raises(MalformedRequest, match="Content-MD5"):
        expected_digests(sent(("Content-MD5", value)))


def test_only_what_is_claimed_has_to_be_computed() -> None:
    assert expected_digests(sent()) == Expected()
    both = expected_digests(sent(("Repr-Digest", SHA512), ("Content-MD5", MD5)))
    assert both.algorithms == {"sha-512", "md5"}
    assert both.claims[1] == Claim("Content-MD5", "md5", hashlib.md5(BODY).digest())


def test_what_is_read_says_its_digest() -> None:
    assert repr_digest(hashlib.sha256(BODY).hexdigest()) == SHA256
