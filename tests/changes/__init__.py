"""The kinds of change between two releases, on the real sandbox under load: `make changes`."""
