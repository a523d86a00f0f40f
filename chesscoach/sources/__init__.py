"""Where games come from: the sources' responses in, `Game`s out; raw payloads stay in this room."""
