"""The indexes and collections that the slices and the worker declare."""

from chesscoach.alerts.store.indexes import COLLECTIONS as ALERT_COLLECTIONS
from chesscoach.alerts.store.indexes import INDEXES as ALERT_INDEXES
from chesscoach.alerts.store.indexes import UNIQUE_KEYS as ALERT_UNIQUE_KEYS
from chesscoach.cleanup.store.indexes import INDEXES as CLEANUP_INDEXES
from chesscoach.emails.store.indexes import COLLECTIONS as EMAIL_COLLECTIONS
from chesscoach.emails.store.indexes import INDEXES as EMAIL_INDEXES
from chesscoach.emails.store.indexes import UNIQUE_KEYS as EMAIL_UNIQUE_KEYS
from chesscoach.momentum.store.indexes import COLLECTIONS as MOMENTUM_COLLECTIONS
from chesscoach.momentum.store.indexes import INDEXES as MOMENTUM_INDEXES
from chesscoach.momentum.store.indexes import UNIQUE_KEYS as MOMENTUM_UNIQUE_KEYS
from chesscoach.mongo.index_check import UniqueKeys
from chesscoach.players.store.indexes import INDEXES as PLAYER_INDEXES
from chesscoach.players.store.indexes import UNIQUE_KEYS as PLAYER_UNIQUE_KEYS
from chesscoach.sync.store.indexes import COLLECTIONS as SYNC_COLLECTIONS
from chesscoach.sync.store.indexes import INDEXES as SYNC_INDEXES
from chesscoach.sync.store.indexes import UNIQUE_KEYS as SYNC_UNIQUE_KEYS
from chesscoach.training.store.indexes import COLLECTIONS as TRAINING_COLLECTIONS
from chesscoach.training.store.indexes import INDEXES as TRAINING_INDEXES
from chesscoach.training.store.indexes import UNIQUE_KEYS as TRAINING_UNIQUE_KEYS
from chesscoach.worker.store.indexes import COLLECTIONS as WORKER_COLLECTIONS
from chesscoach.worker.store.indexes import INDEXES as WORKER_INDEXES
from chesscoach.worker.store.indexes import UNIQUE_KEYS as WORKER_UNIQUE_KEYS

INDEXES = tuple(
    dict.fromkeys(  # two slices may need the same index
        (
            *PLAYER_INDEXES,
            *SYNC_INDEXES,
            *EMAIL_INDEXES,
            *CLEANUP_INDEXES,
            *MOMENTUM_INDEXES,
            *TRAINING_INDEXES,
            *ALERT_INDEXES,
            *WORKER_INDEXES,
        )
    )
)
COLLECTIONS = (
    *WORKER_COLLECTIONS,
    *SYNC_COLLECTIONS,
    *EMAIL_COLLECTIONS,
    *MOMENTUM_COLLECTIONS,
    *TRAINING_COLLECTIONS,
    *ALERT_COLLECTIONS,
)
UNIQUE_KEYS: UniqueKeys = {
    **PLAYER_UNIQUE_KEYS,
    **SYNC_UNIQUE_KEYS,
    **EMAIL_UNIQUE_KEYS,
    **MOMENTUM_UNIQUE_KEYS,
    **TRAINING_UNIQUE_KEYS,
    **WORKER_UNIQUE_KEYS,
    **ALERT_UNIQUE_KEYS,
}
