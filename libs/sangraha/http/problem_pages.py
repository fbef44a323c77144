"""/problems/{slug}: what a problem type means, for whoever follows its address (RFC 9457)."""

from collections.abc import Iterator

from fastapi import APIRouter
from starlette.responses import Response

from sangraha.errors import (
    InvalidConfiguration,
    MessageTooLarge,
    NotFound,
    OutcomeUnknown,
    RequestTimeout,
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
    pages: dict[str, str] = {}
    for error in problem_types():
        # A class without a slug of its own is a branch of the tree, not a type.
        if "slug" in vars(error):
            pages.setdefault(error.slug, _page(error))
    router = APIRouter()

    @router.get("/problems/{slug}", summary="What a problem type means", tags=["problems"])
    async def problem_page(slug: str) -> Response:
        if slug not in pages:
            raise NotFound(f"there is no problem type {slug}")
        return Response(pages[slug], media_type="text/plain; charset=utf-8")

    return router


def _page(error: type[SangrahaError]) -> str:
    again = "Sending the same request again will not help."
    if issubclass(error, OutcomeUnknown):
        again = (
            "Look at the status address: it says done once the request was accepted. If it still "
            "says accepted after some minutes, the request is lost, and may be sent again."
        )
    elif issubclass(error, RequestTimeout):
        again = "Send it again on a new connection."
    elif issubclass(error, Unavailable):
        again = f"Send it again after the seconds in Retry-After ({error.retry_after_seconds})."
    meaning = " ".join((error.__doc__ or "").split())
    return f"{error.slug} ({error.status})\n\n{error.title}.\n\n{meaning}\n\n{again}\n"
