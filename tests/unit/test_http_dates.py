"""HTTP dates: one format out, three in, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sangraha.http.dates import http_date, parse_http_date

EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


def test_dates_are_sent_in_the_preferred_format_and_in_gmt() -> None:
    assert http_date(EXAMPLE + timedelta(microseconds=999_999)) == "Sun, 06 Nov 1994 08:49:37 GMT"
    abroad = EXAMPLE.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert http_date(abroad) == "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_all_three_formats_of_rfc_9110_are_read(text: str) -> None:
    assert parse_http_date(text) == EXAMPLE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


@pytest.mark.parametrize(
    ("digits", "this_year", "year"),
    [("94", 2026, 1994), ("76", 2026, 2076), ("77", 2026, 1977), ("26", 2026, 2026)],
)
def test_a_year_of_two_digits_is_never_far_ahead(digits: str, this_year: int, year: int) -> None:
    text = f"Sunday, 06-Nov-{digits} 08:49:37 GMT"
    assert parse_http_date(text, now=EXAMPLE.replace(year=this_year)) == EXAMPLE.replace(year=year)


def test_a_leap_second_is_the_one_before_it() -> None:
    assert parse_http_date("Fri, 30 Jun 2034 23:59:60 GMT") == datetime(
        2034, 6, 30, 23, 59, 59, tzinfo=UTC
    )
