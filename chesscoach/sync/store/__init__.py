"""The sync's collections: accounts, games, the analysis queue, the lanes."""
