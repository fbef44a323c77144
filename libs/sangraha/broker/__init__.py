"""Durable queues: one protocol (protocol.py), two brokers (rabbitmq, journal)."""
