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
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    service: Service
    audience: Audience
    summary: str


ROUTES: Final = (
    Route("create_json", "POST", "/objects", "receiver", "public", "Keep a JSON document"),
    Route("create_image", "POST", "/objects/image", "receiver", "public", "Keep an image"),
    Route("create_pdf", "POST", "/objects/pdf", "receiver", "public", "Keep a PDF document"),
    Route("delete_objects", "POST", "/objects/delete", "receiver", "public", "Delete many objects"),
    Route(
        "copy_object",
        "POST",
        "/objects/{object_id}/copy",
        "receiver",
        "public",
        "Make a copy of an object",
    ),
    Route(
        "move_object",
        "POST",
        "/objects/{object_id}/move",
        "receiver",
        "public",
        "Give an object another name",
    ),
    Route(
        "patch_info",
        "PATCH",
        "/objects/{object_id}/info",
        "receiver",
        "public",
        "Change an object's metadata",
    ),
    Route(
        "delete_object",
        "DELETE",
        "/objects/{object_id}",
        "receiver",
        "public",
        "Delete one version for good",
    ),
    Route(
        "get_request",
        "GET",
        "/requests/{request_id}",
        "receiver",
        "public",
        "What became of a request",
    ),
    Route("create_bucket", "POST", "/buckets", "receiver", "public", "Make a bucket"),
    Route(
        "patch_bucket",
        "PATCH",
        "/buckets/{bucket}",
        "receiver",
        "public",
        "Change a bucket's settings",
    ),
    Route("delete_bucket", "DELETE", "/buckets/{bucket}", "receiver", "public", "Delete a bucket"),
    Route(
        "put_object",
        "PUT",
        "/buckets/{bucket}/objects/{name}",
        "receiver",
        "public",
        "Keep an object under a name",
    ),
    Route(
        "delete_name",
        "DELETE",
        "/buckets/{bucket}/objects/{name}",
        "receiver",
        "public",
        "Delete the object of a name",
    ),
    Route(
        "create_files",
        "POST",
        "/buckets/{bucket}/objects",
        "receiver",
        "public",
        "Keep the files of a form under their names",
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
    Route(
        "get_info",
        "GET",
        "/objects/{object_id}/info",
        "getter",
        "public",
        "Read an object's description",
    ),
    Route(
        "head_info",
        "HEAD",
        "/objects/{object_id}/info",
        "getter",
        "public",
        "Read a description's headers",
    ),
    Route("list_buckets", "GET", "/buckets", "getter", "public", "List buckets by name"),
    Route("head_buckets", "HEAD", "/buckets", "getter", "public", "Read a list's headers"),
    Route(
        "get_bucket", "GET", "/buckets/{bucket}", "getter", "public", "Read a bucket's description"
    ),
    Route(
        "head_bucket",
        "HEAD",
        "/buckets/{bucket}",
        "getter",
        "public",
        "Whether there is such a bucket",
    ),
    Route(
        "list_names",
        "GET",
        "/buckets/{bucket}/objects",
        "getter",
        "public",
        "List the names of a bucket",
    ),
    Route(
        "head_names",
        "HEAD",
        "/buckets/{bucket}/objects",
        "getter",
        "public",
        "Read a list's headers",
    ),
    Route(
        "get_named",
        "GET",
        "/buckets/{bucket}/objects/{name}",
        "getter",
        "public",
        "Read the object of a name",
    ),
    Route(
        "head_named",
        "HEAD",
        "/buckets/{bucket}/objects/{name}",
        "getter",
        "public",
        "Read its headers",
    ),
    Route(
        "list_versions",
        "GET",
        "/buckets/{bucket}/versions/{name}",
        "getter",
        "public",
        "List the versions of a name",
    ),
    Route(
        "head_versions",
        "HEAD",
        "/buckets/{bucket}/versions/{name}",
        "getter",
        "public",
        "Read a list's headers",
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
    Route(
        "redrive_dead_letter",
        "POST",
        "/dead-letters/{letter_id}/redrive",
        "orchestrator",
        "operator",
        "Put one message on its queue again",
    ),
    Route(
        "redrive_dead_letters",
        "POST",
        "/dead-letters/redrive",
        "orchestrator",
        "operator",
        "Put some messages on their queues again, at a bounded rate",
    ),
    Route(
        "delete_dead_letter",
        "DELETE",
        "/dead-letters/{letter_id}",
        "orchestrator",
        "operator",
        "Delete one message that was given up",
    ),
    Route(
        "delete_dead_letters",
        "DELETE",
        "/dead-letters",
        "orchestrator",
        "operator",
        "Delete messages that were given up",
    ),
)

OPERATOR_PATHS: Final = ("/health/live", "/health/ready", "/health", "/metrics")
"""Each service answers these for itself; a gateway does not publish them."""

SHARED_PATHS: Final = ("/problems/{slug}", "/docs", "/openapi.json")
"""Any service answers these alike."""


def routes_of(service: Service) -> dict[str, Route]:
    """The service's routes by operation."""
    return {route.operation: route for route in ROUTES if route.service == service}
