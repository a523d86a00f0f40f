"""What SendGrid reports after it has accepted an email: signed events."""
