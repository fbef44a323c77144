"""If-Match and If-None-Match against what is there, or nothing."""

import pytest

from sangraha.catalog.precondition import require
from sangraha.errors import PreconditionFailed
from sangraha.messages import Precondition

HERE, ELSEWHERE = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "sha256", "holds"),
    [
        (None, None, HERE, True),
        (None, None, None, True),
        (["*"], None, HERE, True),
        (["*"], None, None, False),
        ([HERE], None, HERE, True),
        ([ELSEWHERE, HERE], None, HERE, True),
        ([ELSEWHERE], None, HERE, False),
        ([HERE], None, None, False),
        ([], None, HERE, False),
        (None, ["*"], HERE, False),
        (None, ["*"], None, True),
        (None, [HERE], HERE, False),
        (None, [ELSEWHERE, HERE], HERE, False),
        (None, [ELSEWHERE], HERE, True),
        (None, [HERE], None, True),
        (None, [], HERE, True),
        ([HERE], [ELSEWHERE], HERE, True),
        ([HERE], [HERE], HERE, False),
        (["*"], ["*"], None, False),
    ],
)
def test_both_must_hold(
    if_match: list[str] | None, if_none_match: list[str] | None, sha256: str | None, holds: bool
) -> None:
    precondition = Precondition(if_match=if_match, if_none_match=if_none_match)
    if not holds:
        with pytest.raises(PreconditionFailed):
            require(precondition, sha256)
        return
    assert require(precondition, sha256) == (if_match is not None and sha256 in if_match)


def test_without_one_anything_holds() -> None:
    assert not require(None, HERE)
    assert not require(None, None)
