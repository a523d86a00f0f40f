"""How mail leaves: rendering, SendGrid, the outbox folder, signed links and signatures."""
