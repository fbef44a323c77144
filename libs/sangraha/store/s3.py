"""A store in a bucket of MinIO or any other S3 service.

obstore moves the bodies; the minio library makes the bucket.
"""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials.providers import (
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
    Provider,
    StaticProvider,
)
from minio.error import MinioException, S3Error
from obstore.store import S3Store

from sangraha.errors import InvalidConfiguration, StoreUnavailable
from sangraha.store.obstore_store import ObstoreStore

if TYPE_CHECKING:
    from obstore.store import S3Credential

_CONNECT_SECONDS: Final = 2.0
_HOPELESS: Final = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "BucketAlreadyExists"}
    | {"InvalidBucketName", "AuthorizationHeaderMalformed"}
)


@dataclass(frozen=True)
class S3Place:
    """Which bucket, where, and by whose leave. Without keys, those of the environment or of the
    machine's role are used. Its `repr` shows no secret.
    """

    bucket: str
    endpoint: str
    region: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)

    @staticmethod
    def default_region() -> str:
        """As every S3 client finds it."""
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


class S3BucketStore(ObstoreStore):
    """The contract of protocol.py. One call is one request to the service, never repeated."""

    def __init__(self, place: S3Place, *, timeout_seconds: float) -> None:
        self.place = place
        super().__init__(_backend(place, timeout_seconds), timeout_seconds=timeout_seconds)

    async def start(self) -> None:
        """Make the bucket if it is not there; replicas may do so at the same time."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await asyncio.to_thread(self._make_bucket)
        except S3Error as error:
            said = f"The store answered {error.code} about the bucket {self.place.bucket}"
            if error.code in _HOPELESS:
                raise InvalidConfiguration(said) from error
            raise StoreUnavailable(said) from error
        except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise StoreUnavailable(
                f"The store at {self.place.endpoint} cannot be reached: {type(error).__name__}"
            ) from error

    def _make_bucket(self) -> None:
        place = self.place
        connections = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_CONNECT_SECONDS, read=self._timeout_seconds),
            retries=False,
        )
        endpoint = urlsplit(place.endpoint)
        with connections:
            control = Minio(
                endpoint.netloc,
                secure=endpoint.scheme == "https",
                region=place.region,
                credentials=_provider(place, connections),
                http_client=connections,
            )
            if control.bucket_exists(place.bucket):
                return
            try:
                control.make_bucket(place.bucket)
            except S3Error as error:
                if error.code != "BucketAlreadyOwnedByYou":
                    raise


def _provider(place: S3Place, connections: urllib3.PoolManager) -> Provider:
    if place.access_key_id and place.secret_access_key:
        return StaticProvider(place.access_key_id, place.secret_access_key)
    return ChainedProvider([EnvAWSProvider(), IamAwsProvider(http_client=connections)])


def _backend(place: S3Place, timeout_seconds: float) -> S3Store:
    """Keys go in through a provider: next to keys given as options, obstore would still use a
    session token of the environment.
    """
    credential = _credential(place)
    return S3Store(
        place.bucket,
        endpoint=place.endpoint,
        region=place.region,
        virtual_hosted_style_request=False,
        unsigned_payload=True,
        disable_bulk_delete=True,
        client_options={
            "allow_http": place.endpoint.startswith("http:"),
            "timeout": timedelta(seconds=timeout_seconds),
            "connect_timeout": timedelta(seconds=min(_CONNECT_SECONDS, timeout_seconds)),
        },
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=timeout_seconds)},
        credential_provider=(lambda: credential) if credential else None,
    )


def _credential(place: S3Place) -> "S3Credential | None":
    if not (place.access_key_id and place.secret_access_key):
        return None
    return {
        "access_key_id": place.access_key_id,
        "secret_access_key": place.secret_access_key,
        "expires_at": None,
    }
