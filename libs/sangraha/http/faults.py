"""Errors that nobody foresaw: logged once, and a problem for the client while that is possible."""

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sangraha.errors import InternalFault
from sangraha.http.problems import problem_response

logger = logging.getLogger(__name__)


class AnswerCut(Exception):
    """An answer that had begun cannot be finished, and the log says why.

    The server ends the connection without a clean end, so that the client notices (RFC 9112,
    section 8): too few bytes for Content-Length, or no last chunk.
    """


class FaultMiddleware:
    """Inside of all that adds headers to answers, so that this one has them, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            raise
        except Exception as error:
            asked = f"{scope['method']} {scope['path']}"
            if has_begun:
                logger.exception("the answer to %s was cut", asked)
                raise AnswerCut(asked) from error
            logger.exception("unexpected error in %s", asked)
            exchange_id = scope.get("state", {}).get("exchange_id")
            answer = problem_response(InternalFault().problem(), exchange_id=exchange_id)
            await answer(scope, receive, send)


def is_unlogged(record: logging.LogRecord) -> bool:
    """A filter for the log of the server, which logs all it sees: leaves out what was logged."""
    return not (record.exc_info and isinstance(record.exc_info[1], AnswerCut))
