"""Where an S3 bucket is, and by whose leave it is used."""

import os
from dataclasses import dataclass, field

import urllib3
from minio.credentials.providers import (
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
    Provider,
    StaticProvider,
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

    def provider(self, connections: urllib3.PoolManager) -> Provider:
        """Where the minio library gets its keys."""
        if self.access_key_id and self.secret_access_key:
            return StaticProvider(self.access_key_id, self.secret_access_key)
        return ChainedProvider([EnvAWSProvider(), IamAwsProvider(http_client=connections)])
