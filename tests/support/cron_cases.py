"""Cron expressions, time zones, and instants around changes of clocks."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

NEW_YORK, LORD_HOWE = "America/New_York", "Australia/Lord_Howe"
CRONS = (
    "* * * * *", "*/15 * * * *", "0 * * * *", "0 */6 * * *", "0 0,6,12,18 * * *", "30 2 * * *",
    "30 1 * * *", "15,45 2 * * *", "15,45 1 * * *", "0 0 * * *", "5 4 * * 0", "0 9 * * 1",
    "0 0 1 * *", "30 1-3 * * *", "59 23 31 12 *", "0 30 2 * * *", "*/20 30 1 * * *",
    "0 0 */2 * * *",
)  # fmt: skip
ZONES = (
    "UTC", NEW_YORK, "Europe/Berlin", "Europe/Dublin", "America/Santiago", "Africa/Casablanca",
    "Asia/Kathmandu", "Pacific/Chatham", "America/St_Johns", "Africa/Cairo", "America/Asuncion",
)  # fmt: skip
# Around the days of 2026 on which clocks change, and the turn of the year.
ANCHORS = ("2026-02-15", "2026-03-08", "2026-03-29", "2026-04-05", "2026-09-06", "2026-09-27",
    "2026-10-04", "2026-10-25", "2026-11-01", "2026-12-31")  # fmt: skip
INSTANTS = st.builds(
    lambda day, hours, micros: (
        datetime.fromisoformat(day).replace(tzinfo=UTC)
        + timedelta(hours=hours, microseconds=micros)
    ).replace(microsecond=micros % 2 * 500_000),
    st.sampled_from(ANCHORS),
    st.floats(-30, 54),
    st.integers(0, 1),
)
