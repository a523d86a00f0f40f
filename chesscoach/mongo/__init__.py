"""The only room that speaks Mongo: one module per concern, documents in, values out.

Motor is confined to this room, so that moving to pymongo's own asynchronous client stays a change
of one room. Writes are acknowledged by a majority.
"""
