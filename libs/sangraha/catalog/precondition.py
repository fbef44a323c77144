"""If-Match and If-None-Match, judged where nothing can change in between. No I/O."""

from sangraha.errors import PreconditionFailed
from sangraha.messages import Precondition

ANY = "*"


def require(precondition: Precondition | None, sha256: str | None) -> bool:
    """Raises PreconditionFailed unless it holds of what has this digest, None for nothing
    (RFC 9110, sections 13.1.1 and 13.1.2). Whether it holds because it names that very digest.
    """
    if precondition is None:
        return False
    wanted, unwanted = precondition.if_match, precondition.if_none_match
    if wanted is not None and not _matches(wanted, sha256):
        raise PreconditionFailed(
            "If-Match names another version than the current one"
            if sha256 is not None
            else "If-Match asks for something to be there, but there is nothing"
        )
    if unwanted is not None and _matches(unwanted, sha256):
        raise PreconditionFailed("If-None-Match names what is there")
    return wanted is not None and sha256 in wanted


def _matches(digests: list[str], sha256: str | None) -> bool:
    return sha256 is not None and (ANY in digests or sha256 in digests)
