"""The driver: database, collections, indexes, the embedded server and the driver's errors.

Only this room and the stores import motor and pymongo, so that a move to pymongo's asynchronous
client changes nothing else. Writes are acknowledged by a majority.
"""
