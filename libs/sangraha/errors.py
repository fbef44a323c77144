"""Every error Sangraha raises, in one tree, each with its problem type and status.

    SangrahaError
    ├── RequestRefused            the caller must change something (4xx)
    │   ├── MalformedRequest      400
    │   ├── DigestMismatch        400
    │   ├── NotFound              404
    │   ├── MethodNotAllowed      405
    │   ├── RequestTimeout        408
    │   ├── AlreadyExists         409
    │   ├── AlreadyRedriven       409
    │   ├── BucketNotEmpty        409
    │   ├── NotRedrivable         409
    │   ├── Gone                  410
    │   ├── PreconditionFailed    412
    │   ├── BodyTooLarge          413
    │   ├── TypeNotAllowed        415
    │   ├── EncodingNotAllowed    415
    │   ├── RangeNotSatisfiable   416
    │   ├── DamagedContent        422
    │   ├── EmptyBody             422
    │   ├── InvalidName           422
    │   ├── InvalidParameter      422
    │   ├── IdempotencyKeyReused  422
    │   ├── PreconditionRequired  428
    │   └── HeadersTooLarge       431
    ├── Unavailable               the same request may succeed later (503, Retry-After)
    │   ├── BrokerUnavailable
    │   ├── QueueFull
    │   ├── OutcomeUnknown
    │   ├── ReadTimedOut
    │   ├── TooManyUploads
    │   ├── StoreUnavailable
    │   └── CatalogUnavailable
    ├── InternalFault             our mistake (500)
    │   ├── BodyMissing           the catalog names a body that the store does not have
    │   └── RequestDead           the request ended as a dead letter
    ├── InvalidConfiguration      a setting, folder or server that will never work as it is
    ├── UndecodableMessage        a queue held bytes that are not ours (never shown over HTTP)
    └── MessageTooLarge           a group that no broker would take (never shown over HTTP)

Problems follow RFC 9457. Handlers translate errors; nobody writes status codes by hand.
"""

from typing import Any, ClassVar

import msgspec

PROBLEM_BASE = "/problems/"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error as it travels: in replies, in the catalog and, as RFC 9457 JSON, over HTTP."""

    slug: str
    status: int
    title: str
    detail: str
    members: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        """The problem details object of RFC 9457, section 3, extension members included."""
        return {
            **self.members,
            "type": PROBLEM_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }

    def with_members(self, **members: Any) -> "Problem":
        """The same problem with further extension members."""
        return msgspec.structs.replace(self, members={**self.members, **members})


class SangrahaError(Exception):
    """The root. `detail` is a sentence for people; `members` are RFC 9457 extension members."""

    slug: ClassVar[str] = "internal-fault"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something failed inside Sangraha"

    def __init__(self, detail: str = "", **members: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.members = members

    def problem(self) -> Problem:
        """The error as data."""
        return Problem(
            slug=self.slug,
            status=self.status,
            title=self.title,
            detail=self.detail,
            members=self.members,
        )


class RequestRefused(SangrahaError):
    """The request cannot be done as it is; sending it again unchanged will not help."""

    slug = "malformed-request"
    status = 400
    title = "The request was refused"


class MalformedRequest(RequestRefused):
    """The HTTP message, multipart form or JSON envelope cannot be understood."""

    title = "The request cannot be understood"


class DigestMismatch(RequestRefused):
    """The body does not have the digest that was sent with it; nothing was kept."""

    slug = "digest-mismatch"
    status = 400
    title = "The body does not match its digest"


class NotFound(RequestRefused):
    """There is nothing at this address."""

    slug = "not-found"
    status = 404
    title = "There is nothing here"


class MethodNotAllowed(RequestRefused):
    """The address exists, but not for this method."""

    slug = "method-not-allowed"
    status = 405
    title = "This address does not take that method"


class RequestTimeout(RequestRefused):
    """The request line and headers did not arrive in time; the connection is closed."""

    slug = "request-timeout"
    status = 408
    title = "The request did not arrive in time"


class AlreadyExists(RequestRefused):
    """There is something at that name already, and it is not to be replaced."""

    slug = "already-exists"
    status = 409
    title = "There is something here already"


class BucketNotEmpty(RequestRefused):
    """A bucket that holds objects is only deleted together with them, on request."""

    slug = "bucket-not-empty"
    status = 409
    title = "The bucket is not empty"


class AlreadyRedriven(RequestRefused):
    """The dead letter's message was put on its queue again; its requests are on their way."""

    slug = "already-redriven"
    status = 409
    title = "The dead letter was redriven already"


class NotRedrivable(RequestRefused):
    """The dead letter's message would only come straight back, or its bytes are not there."""

    slug = "not-redrivable"
    status = 409
    title = "The dead letter cannot be redriven"


class Gone(RequestRefused):
    """The object was deleted for good."""

    slug = "gone"
    status = 410
    title = "The object was deleted"


class PreconditionFailed(RequestRefused):
    """What If-Match or If-None-Match asks for does not hold."""

    slug = "precondition-failed"
    status = 412
    title = "A precondition does not hold"


class BodyTooLarge(RequestRefused):
    """The body is larger than this deployment takes."""

    slug = "body-too-large"
    status = 413
    title = "The body is too large"


class TypeNotAllowed(RequestRefused):
    """The bytes are of a type that is not allowed at this address."""

    slug = "type-not-allowed"
    status = 415
    title = "The content is of a type that is not allowed here"


class EncodingNotAllowed(RequestRefused):
    """Encoded bytes cannot be verified, so they are not taken where types are restricted."""

    slug = "encoding-not-allowed"
    status = 415
    title = "Encoded content is not allowed here"


class RangeNotSatisfiable(RequestRefused):
    """None of the ranges lies within the object."""

    slug = "range-not-satisfiable"
    status = 416
    title = "The range lies outside the object"


class DamagedContent(RequestRefused):
    """The bytes are of the right type, but truncated or broken."""

    slug = "damaged-content"
    status = 422
    title = "The content is damaged"


class EmptyBody(RequestRefused):
    """The body has no bytes, where a type is asked for."""

    slug = "empty-body"
    status = 422
    title = "The body is empty"


class InvalidName(RequestRefused):
    """The name of an object or bucket is not one that may be used."""

    slug = "invalid-name"
    status = 422
    title = "The name cannot be used"


class InvalidParameter(RequestRefused):
    """A path, query or header value is outside what is allowed."""

    slug = "invalid-parameter"
    status = 422
    title = "A parameter is not valid"


class IdempotencyKeyReused(RequestRefused):
    """The Idempotency-Key came before with another request; nothing of this one was kept."""

    slug = "idempotency-key-reused"
    status = 422
    title = "The Idempotency-Key belongs to another request"


class PreconditionRequired(RequestRefused):
    """This change has to say, with If-Match, what it is a change of."""

    slug = "precondition-required"
    status = 428
    title = "If-Match is required"


class HeadersTooLarge(RequestRefused):
    """The request line and headers together are larger than the server reads."""

    slug = "headers-too-large"
    status = 431
    title = "The headers are too large"


class Unavailable(SangrahaError):
    """A part is away or full for now. `retry_after_seconds` goes out as Retry-After."""

    slug = "unavailable"
    status = 503
    title = "A part of the system is not available"
    retry_after_seconds: ClassVar[int] = 2


class BrokerUnavailable(Unavailable):
    """The broker cannot be reached; nothing was sent."""

    slug = "broker-unavailable"
    title = "The queue cannot be reached"


class QueueFull(Unavailable):
    """The queue refused the message because of its limits; nothing was kept."""

    slug = "queue-full"
    title = "The queue is full"


class OutcomeUnknown(Unavailable):
    """The message was sent, but no confirm came: it may or may not be in the queue."""

    slug = "outcome-unknown"
    title = "It is not known whether the request was accepted"


class ReadTimedOut(Unavailable):
    """No answer to a read came before its deadline."""

    slug = "read-timed-out"
    title = "The read was not answered in time"


class Overloaded(Unavailable):
    """As much as this service takes at a time is being written, or read; nothing was kept."""

    slug = "overloaded"
    title = "Too many requests at once"


class TooManyUploads(Unavailable):
    """As many large bodies as this service takes at a time are on their way; nothing was kept."""

    slug = "too-many-uploads"
    title = "Too many large uploads at once"


class StoreUnavailable(Unavailable):
    """The object store cannot be reached or failed."""

    slug = "store-unavailable"
    title = "The object store is not available"


class CatalogUnavailable(Unavailable):
    """The catalog's database cannot be reached or failed."""

    slug = "catalog-unavailable"
    title = "The catalog is not available"


class InternalFault(SangrahaError):
    """Something that should not happen did; the log has the rest under the request's id."""


class BodyMissing(InternalFault):
    """The store has no such body, or a shorter one than was asked for."""

    slug = "body-missing"
    title = "The stored body is missing"


class RequestDead(InternalFault):
    """The request was given up and kept as a dead letter for an operator to look into."""

    slug = "request-dead"
    title = "The request could not be completed and was set aside"


class InvalidConfiguration(SangrahaError):
    """A setting, a folder or a server's state makes it impossible to start; people must act."""

    slug = "invalid-configuration"


class UndecodableMessage(SangrahaError):
    """The bytes of a message are not a group of this version."""

    slug = "undecodable-message"


class MessageTooLarge(SangrahaError):
    """The encoded group is larger than a broker accepts."""

    slug = "message-too-large"
