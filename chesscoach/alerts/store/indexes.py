"""The index that the alerts need."""

from chesscoach.mongo.index import index
from chesscoach.mongo.index_check import UniqueKeys

INDEXES = (index("alerts", "send_at"),)  # the messages to send
COLLECTIONS = ("alerts",)
UNIQUE_KEYS: UniqueKeys = dict.fromkeys(COLLECTIONS, ())
