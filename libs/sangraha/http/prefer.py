"""The Prefer request header (RFC 7240): `respond-async` and `wait=N`."""

from collections.abc import Sequence
from dataclasses import dataclass

from sangraha.settings import MAX_WAIT_SECONDS


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the caller prefers; `wait_seconds` is None where it did not say."""

    respond_async: bool = False
    wait_seconds: float | None = None

    def wait(self, otherwise: float) -> float:
        """How long to wait for the outcome: as asked, at once if async, else `otherwise`."""
        if self.wait_seconds is not None:
            return self.wait_seconds
        return 0.0 if self.respond_async else otherwise

    def applied(self) -> dict[str, str]:
        """The Preference-Applied header (section 3), if any preference was."""
        applied = ["respond-async"] if self.respond_async else []
        if self.wait_seconds is not None:
            applied.append(f"wait={self.wait_seconds:g}")
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


def parse_prefer(values: Sequence[str]) -> Preferences:
    """Preferences from all Prefer headers; the first of a name wins, unknown ones are ignored.

    `wait` is a whole number of seconds (section 4.3), capped at MAX_WAIT_SECONDS.
    """
    respond_async = False
    wait_seconds: float | None = None
    for item in ",".join(values).split(","):
        name, _, value = item.split(";", 1)[0].partition("=")
        name, value = name.strip().lower(), value.strip().strip('"')
        if name == "respond-async":
            respond_async = True
        elif name == "wait" and wait_seconds is None and value.isascii() and value.isdigit():
            wait_seconds = min(float(value[:9]), MAX_WAIT_SECONDS)
    return Preferences(respond_async, wait_seconds)
