"""The declaration of an index: its collection, keys and options, and its name.

The application's own script creates its indexes before or after ours. MongoDB refuses an index that
has the name of another one and differs from it, or the definition of another one and a different
name. So an index of ours has the name that MongoDB gives by default. A unique index on a field of
the application is the exception. It leaves out documents without a text in the field, unlike the
application's index. So it has a name of its own.
"""

from typing import Any

from msgspec import Struct
from pymongo import IndexModel

from chesscoach.mongo.client import Document


class Index(Struct, frozen=True, kw_only=True):
    """An index that we need: its collection and its keys in order.

    `only_if_exists`: the index has only documents with this field. `only_texts`: it has only
    documents with a text in this field, since the application leaves it out of some. Queries for
    texts can use such an index. `expire_after_s`: the server deletes a document this long after the
    date in the index's only key.
    """

    collection: str
    keys: tuple[tuple[str, int], ...]
    unique: bool = False
    only_if_exists: str | None = None
    only_texts: str | None = None
    expire_after_s: int | None = None

    @property
    def partial(self) -> Document | None:
        """The filter of a partial index."""
        if self.only_texts:
            return {self.only_texts: {"$gt": ""}}
        return {self.only_if_exists: {"$exists": True}} if self.only_if_exists else None

    @property
    def name(self) -> str:
        """MongoDB's default name; with a prefix if the application's own may need that name."""
        if self.only_texts:
            return "chesscoach_" + "_".join(field for field, _ in self.keys)
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)

    @property
    def fields(self) -> str:
        """The fields, for people."""
        return ", ".join(field for field, _ in self.keys)

    @property
    def label(self) -> str:
        """The collection and the name, for people."""
        return f"{self.collection}.{self.name}"

    def model(self, name: str | None = None) -> IndexModel:
        """The index as the driver needs it, perhaps under another name."""
        options: dict[str, Any] = {"partialFilterExpression": self.partial} if self.partial else {}
        if self.expire_after_s is not None:
            options["expireAfterSeconds"] = self.expire_after_s
        return IndexModel(list(self.keys), name=name or self.name, unique=self.unique, **options)


def index(collection: str, *fields: str, only_if_exists: str | None = None) -> Index:
    """An index on fields in their order; `-field` is descending."""
    keys = tuple((field.removeprefix("-"), -1 if field[0] == "-" else 1) for field in fields)
    return Index(collection=collection, keys=keys, only_if_exists=only_if_exists)


def unique_index(collection: str, field: str) -> Index:
    """A unique index on a field of the application, which is missing in some documents."""
    return Index(collection=collection, keys=((field, 1),), unique=True, only_texts=field)


def ttl_index(collection: str, field: str, days: int) -> Index:
    """An index by which the server deletes documents `days` after the date in a field."""
    return Index(collection=collection, keys=((field, 1),), expire_after_s=days * 86_400)
