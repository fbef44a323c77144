"""Serves reads over HTTP by asking the read queue."""
