"""The weekly emails: content, sending, outbox, transports, unsubscription and webhook."""
