"""Bodies in an object store: one protocol (protocol.py) over S3, a local folder and memory."""
