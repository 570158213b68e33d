"""Times are milliseconds since 1970, UTC. Billing periods are months from a day of the month, 00:00 UTC, half open."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
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


def _at(year: int, month: int, day: int) -> int:
    return (datetime(year, month, day, tzinfo=timezone.utc) - _EPOCH) // timedelta(milliseconds=1)
