"""/problems/{slug}: what a problem type means, for whoever follows its address (RFC 9457)."""

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from starlette.responses import HTMLResponse, Response

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


def install_problem_pages(app: FastAPI) -> None:
    """Serve one page a problem type."""
    pages: dict[str, str] = {}
    for error in problem_types():
        # A class without a slug of its own is a branch of the tree, not a type.
        if "slug" in vars(error):
            pages.setdefault(error.slug, _page(error))

    @app.get(
        "/problems/{slug}",
        summary="What a problem type means",
        tags=["problems"],
        response_class=Response,
        responses=_ANSWERS,
    )
    async def problem_page(slug: str) -> Response:
        if slug not in pages:
            raise NotFound(f"there is no problem type {slug}")
        return HTMLResponse(pages[slug])


_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "A page for people",
        "content": {"text/html": {"schema": {"type": "string"}}},
    },
    404: {"description": "There is no such problem type"},
}


def _page(error: type[SangrahaError]) -> str:
    again = "Sending the same request again will not help."
    if issubclass(error, OutcomeUnknown):
        again = (
            "Look at the status address: it says done once the request was accepted. If it still "
            "says accepted after some minutes, the request is lost, and may be sent again. With "
            "an Idempotency-Key it may be sent again at once, under the same key."
        )
    elif issubclass(error, RequestTimeout):
        again = "Send it again on a new connection."
    elif issubclass(error, Unavailable):
        again = f"Send it again after the seconds in Retry-After ({error.retry_after_seconds})."
    meaning = " ".join((error.__doc__ or "").split())
    paragraphs = "".join(f"<p>{escape(text)}</p>\n" for text in (meaning, again))
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{escape(error.title)}</title>\n"
        f"<h1>{escape(error.title)}</h1>\n<p><code>{error.slug}</code>, {error.status}</p>\n"
        f"{paragraphs}</html>\n"
    )
