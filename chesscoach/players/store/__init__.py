"""The application's collections of users and notifications."""
