"""JSON log lines on standard error, in which one request id finds the way of a request.

`bound` puts ids on every line logged inside it, across awaits and tasks.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

_BOUND: ContextVar[dict[str, str]] = ContextVar("sangraha_log_fields", default={})  # noqa: B039 - never mutated, only replaced


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Every line logged inside carries these fields; None values are left out."""
    added = {name: str(value) for name, value in fields.items() if value is not None}
    token = _BOUND.set({**_BOUND.get(), **added})
    try:
        yield
    finally:
        _BOUND.reset(token)


class _BoundFields(logging.Filter):
    def __init__(self, service: str, replica: str) -> None:
        super().__init__()
        self._constant = {"service": service, "replica": replica}

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in {**self._constant, **_BOUND.get()}.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


def configure_logs(*, service: str, replica: str, level: str) -> None:
    """Send this process's log lines to standard error as JSON, one object a line.

    Times are RFC 3339 in UTC.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_BoundFields(service, replica))
    handler.setFormatter(
        JsonFormatter(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
