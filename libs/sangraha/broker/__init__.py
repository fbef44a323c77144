"""Durable queues: one protocol (protocol.py), two brokers (rabbitmq.py, journal.py)."""
