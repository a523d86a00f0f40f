"""The nightly cleanup: what is deleted, and when."""
