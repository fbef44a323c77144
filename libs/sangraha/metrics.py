"""Prometheus metrics; every label takes its values from a closed set.

Handed to whoever counts: there is no global registry, so many services fit in one process.
"""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REQUESTS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """What is counted and timed. Durations are seconds."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.http_requests = self._counter(
            "sangraha_http_requests",
            "HTTP requests by route of the route table and status code.",
            "route",
            "status",
        )
        self.http_seconds = self._histogram(
            "sangraha_http_request_seconds", "From first header to last byte.", _SECONDS, "route"
        )
        self.queue_seconds = self._histogram(
            "sangraha_queue_seconds", "From accepting a request to work on it.", _SECONDS, "queue"
        )
        self.store_seconds = self._histogram(
            "sangraha_store_seconds", "One attempt at the store.", _SECONDS, "operation", "result"
        )
        self.group_requests = self._histogram(
            "sangraha_group_requests", "Requests in a group.", _REQUESTS, "queue"
        )
        self.redeliveries = self._counter(
            "sangraha_redeliveries", "Groups that were handed out before.", "queue"
        )
        self.dead_letters = self._counter(
            "sangraha_dead_letters", "Messages set aside for an operator.", "reason"
        )
        self.redriven_letters = self._counter(
            "sangraha_redriven_letters", "Dead letters put on their queue again.", "reason"
        )
        self.write_outcomes = self._counter(
            "sangraha_write_outcomes", "How writes ended.", "outcome"
        )
        self.holds = self._counter(
            "sangraha_holds", "Attempts that failed and are held to be tried again.", "part"
        )
        self.swept_bodies = self._counter(
            "sangraha_swept_bodies", "Bodies that the sweep removed from the store.", "reason"
        )
        self.in_flight = Gauge(
            "sangraha_groups_in_flight",
            "Groups an orchestrator works on.",
            ["queue"],
            registry=self._registry,
        )

        self.admitted_requests = Gauge(
            "sangraha_admitted_requests",
            "HTTP requests that write, or read, and are not answered yet.",
            ["kind"],
            registry=self._registry,
        )
        self.admitted_bytes = Gauge(
            "sangraha_admitted_bytes",
            "What these may have of their bodies in memory.",
            ["kind"],
            registry=self._registry,
        )
        self.refused_requests = self._counter(
            "sangraha_refused_requests", "HTTP requests refused as too many at a time.", "kind"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)

    def page(self) -> bytes:
        """All of it in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)
