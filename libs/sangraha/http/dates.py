"""HTTP dates (RFC 9110, section 5.6.7): the format that is sent, and the three that are read."""

import re
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_MONTH: Final = f"(?P<month>{_MONTHS})"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_FORMATS: Final = (
    re.compile(
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT",
        re.ASCII,
    ),
    re.compile(
        r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, "
        rf"(?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT",
        re.ASCII,
    ),
    re.compile(
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
        re.ASCII,
    ),
)
_TWO_DIGIT_YEAR_SPAN: Final = 50


def http_date(moment: datetime) -> str:
    """The moment in the preferred format, cut to whole seconds."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


def whole_second(moment: datetime) -> datetime:
    """The moment as precisely as an HTTP date tells it."""
    return moment.replace(microsecond=0)


def parse_http_date(text: str, now: datetime | None = None) -> datetime | None:
    """The moment that an IMF-fixdate, an RFC 850 date or an asctime date names; None for others.

    A year of two digits that seems more than 50 years ahead of `now` is one of the past.
    """
    found = next((match for form in _FORMATS if (match := form.fullmatch(text))), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        this_year = (now or datetime.now(UTC)).year
        year += this_year // 100 * 100
        if year > this_year + _TWO_DIGIT_YEAR_SPAN:
            year -= 100
    second = int(found["second"])
    try:
        return datetime(
            year,
            _MONTHS.index(found["month"]) // 4 + 1,
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            # A leap second counts as the one before it.
            59 if second == 60 else second,
            tzinfo=UTC,
        )
    except ValueError:
        return None
