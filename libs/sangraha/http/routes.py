"""The table of every address: method, path, which service serves it, and who may call it.

OpenAPI, the gateway's configuration and docs/http.md come from this table.
"""

from dataclasses import dataclass
from typing import Final, Literal

Service = Literal["receiver", "getter", "orchestrator"]
Audience = Literal["public", "operator"]


@dataclass(frozen=True, slots=True)
class Route:
    """One address. `operation` is its name in OpenAPI and the label in metrics.

    Operators' addresses are never published by a gateway.
    """

    operation: str
    method: Literal["GET", "HEAD", "POST"]
    path: str
    service: Service
    audience: Audience
    summary: str


ROUTES: Final = (
    Route("create_json", "POST", "/objects", "receiver", "public", "Keep a JSON document"),
    Route("create_image", "POST", "/objects/image", "receiver", "public", "Keep an image"),
    Route("create_pdf", "POST", "/objects/pdf", "receiver", "public", "Keep a PDF document"),
    Route(
        "get_request",
        "GET",
        "/requests/{request_id}",
        "receiver",
        "public",
        "What became of a request",
    ),
    Route("list_objects", "GET", "/objects", "getter", "public", "List objects, newest first"),
    Route("head_objects", "HEAD", "/objects", "getter", "public", "Read a list's headers"),
    Route("get_object", "GET", "/objects/{object_id}", "getter", "public", "Read an object"),
    Route(
        "head_object",
        "HEAD",
        "/objects/{object_id}",
        "getter",
        "public",
        "Read an object's headers",
    ),
    Route("list_workers", "GET", "/workers", "orchestrator", "operator", "The worker pool"),
    Route(
        "list_dead_letters",
        "GET",
        "/dead-letters",
        "orchestrator",
        "operator",
        "Messages that were given up, newest first",
    ),
    Route(
        "get_dead_letter",
        "GET",
        "/dead-letters/{letter_id}",
        "orchestrator",
        "operator",
        "One message that was given up",
    ),
)

OPERATOR_PATHS: Final = ("/health/live", "/health/ready", "/health", "/metrics")
"""Each service answers these for itself; a gateway does not publish them."""

SHARED_PATHS: Final = ("/problems/{slug}", "/docs", "/openapi.json")
"""Any service answers these alike."""


def routes_of(service: Service) -> dict[str, Route]:
    """The service's routes by operation."""
    return {route.operation: route for route in ROUTES if route.service == service}
