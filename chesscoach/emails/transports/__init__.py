"""How an email leaves: through SendGrid, or into a folder."""
