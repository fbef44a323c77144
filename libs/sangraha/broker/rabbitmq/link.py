"""A connection to RabbitMQ that lasts: one session after another, for ever.

What a session is for is decided by its owner, who prepares each new one before it counts.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Final

from yarl import URL

from sangraha.broker.rabbitmq.session import Session, only_own_cancellation
from sangraha.errors import BrokerUnavailable, InvalidConfiguration

CONNECT_TIMEOUT_SECONDS: Final = 10.0
FIRST_BACK_OFF_SECONDS: Final = 0.1
LONGEST_BACK_OFF_SECONDS: Final = 1.5

logger: Final = logging.getLogger("sangraha.broker.rabbitmq")
_random: Final = SystemRandom()


def back_off_seconds(failures: int) -> float:
    """How long to wait after so many failures in a row; random, so that a restarted broker is
    not met by all its clients at once.
    """
    longest = min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures, 10))
    return _random.uniform(longest / 2, longest)


class Link:
    """Keeps a session open. `prepare` declares and opens what its owner needs on a new one."""

    def __init__(self, url: URL, name: str, prepare: Callable[[Session], Awaitable[None]]) -> None:
        self._url = url
        self._name = name
        self._prepare = prepare
        self._session: Session | None = None
        self._is_down = False
        self._trouble = "it was not started"
        self._misconfiguration: str | None = None
        self._closed = False
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def session(self) -> Session | None:
        """The open session, if there is one."""
        session = self._session
        return None if session is None or session.ended.done() else session

    def unavailable(self) -> BrokerUnavailable:
        """The error for who cannot wait any longer."""
        return BrokerUnavailable(f"RabbitMQ cannot be reached: {self._trouble}")

    async def up(self) -> Session:
        """The open session, once there is one; the caller sets the deadline.

        Raises InvalidConfiguration where only people can help, and BrokerUnavailable once the
        link is closed.
        """
        while (session := self.session) is None:
            if self._closed:
                raise self.unavailable()
            if self._misconfiguration is not None:
                raise InvalidConfiguration(self._misconfiguration)
            await self._changed.wait()
        return session

    def start(self) -> None:
        """Begin to connect."""
        self._trouble = "the first connection is being made"
        self._task = asyncio.create_task(self._run(), name=f"{self._name} link")

    async def close(self) -> None:
        """Let go of the session; bounded, whatever state the broker is in."""
        self._closed = True
        self._trouble = "it was closed"
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None
        self._announce()

    async def _run(self) -> None:
        failures = 0
        while not self._closed:
            session = Session(self._url, self._name)
            try:
                await self._open(session)
                failures = 0
                self._came_up(session)
                self._went_down(await session.ended)
            except InvalidConfiguration as error:
                self._is_misconfigured(error)
            except TimeoutError:
                self._went_down("it does not answer")
            except Exception as error:
                self._went_down(str(error) or type(error).__name__)
            finally:
                self._session = None
                await session.close()
            await asyncio.sleep(back_off_seconds(failures))
            failures += 1

    async def _open(self, session: Session) -> None:
        with only_own_cancellation():
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await session.open()
                await self._prepare(session)

    def _came_up(self, session: Session) -> None:
        self._session = session
        self._misconfiguration = None
        self._is_down = False
        logger.info("%s connected to %s", self._name, self._place)
        self._announce()

    def _went_down(self, reason: str) -> None:
        if not self._is_down:
            logger.warning("%s has no connection to %s: %s", self._name, self._place, reason)
        elif reason != self._trouble:
            logger.info("%s still has none to %s: %s", self._name, self._place, reason)
        self._is_down = True
        self._trouble = reason
        self._announce()

    def _is_misconfigured(self, error: InvalidConfiguration) -> None:
        if self._misconfiguration != error.detail:
            logger.error("%s cannot use %s: %s", self._name, self._place, error.detail)
        self._misconfiguration = self._trouble = error.detail
        self._announce()

    def _announce(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def _place(self) -> str:
        return f"{self._url.host}:{self._url.port}{self._url.raw_path}"
