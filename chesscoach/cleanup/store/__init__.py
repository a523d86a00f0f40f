"""The queries of the cleanup: candidates of each rule, deletion in pages."""
