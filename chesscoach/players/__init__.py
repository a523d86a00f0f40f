"""The application's users, as all slices share them."""
