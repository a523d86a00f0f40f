"""The emails' collections: outbox, recipients, suppressions, and the reading of a week."""
