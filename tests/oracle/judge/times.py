"""Times are milliseconds since 1970, UTC. Billing periods are months from a day of the month, 00:00 UTC, half open."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Windows with a start and an end; the others slide.
PERIODS = ("BILLING_PERIOD", "CALENDAR_DAY", "CALENDAR_WEEK", "CALENDAR_MONTH")
WINDOW = {"SECOND": SECOND, "MINUTE": MINUTE, "HOUR": HOUR, "DAY": DAY}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def milliseconds(text: str) -> int:
    """Parses RFC 3339; digits below a millisecond are dropped."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def text(ms: float) -> str:
    return (_EPOCH + timedelta(milliseconds=int(ms))).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(ms) % 1000:03d}Z"


def period_start(anchor: int, ms: float) -> int:
    """Start of the period that holds `ms`."""
    moment = _EPOCH + timedelta(milliseconds=int(ms))
    year, month = moment.year, moment.month
    if moment.day < anchor:
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
    return _at(year, month, anchor)


def next_start(anchor: int, start: int) -> int:
    """The end of the period that starts then."""
    moment = _EPOCH + timedelta(milliseconds=start)
    return _at(moment.year + moment.month // 12, moment.month % 12 + 1, anchor)


def calendar_span(window: str, zone: str, ms: float) -> tuple[int, int]:
    """The day, week from Monday or month of the calendar in this time zone that holds `ms`: its start and end."""
    day = (_EPOCH + timedelta(milliseconds=int(ms))).astimezone(ZoneInfo(zone)).date()
    if window == "CALENDAR_DAY":
        first, after = day, day + timedelta(days=1)
    elif window == "CALENDAR_WEEK":
        first = day - timedelta(days=day.weekday())
        after = first + timedelta(days=7)
    else:
        first = day.replace(day=1)
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return _begin(first, zone), _begin(after, zone)


def _begin(day: date, zone: str) -> int:
    """The first moment of a date. A midnight that a zone skips is the moment at which it does."""
    return (datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)) - _EPOCH) // timedelta(milliseconds=1)


def _at(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=timezone.utc) - _EPOCH) // timedelta(milliseconds=1)
