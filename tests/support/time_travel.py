"""Hours that pass in a moment: for what is counted on the server's clock and by the stand-ins."""

from datetime import timedelta
from typing import Any

from tests.conftest import FakeSites

_EXPIRY_FIELDS = ("expires_at", "paused_until", "closed_until")


def advance_time(db: Any, sites: FakeSites, **delta: float) -> None:
    """Lets so much time pass, by the arguments of a timedelta."""
    passed = timedelta(**delta)
    for document in db.job_leases.find():
        moved = {field: document[field] - passed for field in _EXPIRY_FIELDS if document.get(field)}
        spent = [{**item, "at": item["at"] - passed} for item in document.get("spent", [])]
        db.job_leases.update_one({"_id": document["_id"]}, {"$set": {**moved, "spent": spent}})
    for site in (sites.lichess, sites.chesscom):
        site.advance_time(passed.total_seconds())
