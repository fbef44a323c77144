"""/problems/{slug}: what a problem type means, for whoever follows its address (RFC 9457)."""

from collections.abc import Iterator

from fastapi import APIRouter
from starlette.responses import Response

from sangraha.errors import (
    InvalidConfiguration,
    MessageTooLarge,
    NotFound,
    SangrahaError,
    Unavailable,
    UndecodableMessage,
)

_NEVER_SHOWN = (InvalidConfiguration, MessageTooLarge, UndecodableMessage)


def problem_types(root: type[SangrahaError] = SangrahaError) -> Iterator[type[SangrahaError]]:
    """Every error that may be shown over HTTP."""
    if root not in _NEVER_SHOWN:
        yield root
    for child in root.__subclasses__():
        yield from problem_types(child)


def problem_pages_router() -> APIRouter:
    """One page a problem type, as plain text."""
    pages = {error.slug: _page(error) for error in reversed(list(problem_types()))}
    router = APIRouter()

    @router.get("/problems/{slug}", summary="What a problem type means", tags=["problems"])
    async def problem_page(slug: str) -> Response:
        if slug not in pages:
            raise NotFound(f"there is no problem type {slug}")
        return Response(pages[slug], media_type="text/plain; charset=utf-8")

    return router


def _page(error: type[SangrahaError]) -> str:
    again = (
        f"Send it again after the seconds in Retry-After ({error.retry_after_seconds})."
        if issubclass(error, Unavailable)
        else "Sending the same request again will not help."
    )
    meaning = " ".join((error.__doc__ or "").split())
    return f"{error.slug} ({error.status})\n\n{error.title}.\n\n{meaning}\n\n{again}\n"
