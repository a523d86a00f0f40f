"""Where games come from: the sites' replies in, `Game`s out; raw payloads stay in this room."""
