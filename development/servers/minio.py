"""A private MinIO server on one folder, with random credentials.

Its binary is built once by `python -m development.install`; the public repository ships no other.
"""

from urllib.parse import urlencode

import httpx

from development.servers.base import Server
from development.servers.process import Process
from development.software import MINIO


class MinioServer(Server):
    name = "minio"
    software = MINIO

    @property
    def port(self) -> int:
        return self.folder.port("s3")

    @property
    def endpoint(self) -> str:
        """The S3 endpoint's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def access_key_id(self) -> str:
        return self.folder.secret("access_key_id")

    @property
    def secret_access_key(self) -> str:
        return self.folder.secret("secret_access_key")

    def store_url(self, bucket: str) -> str:
        """The SANGRAHA_STORE_URL of a bucket; the bucket is not made."""
        query = {
            "endpoint": self.endpoint,
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
            "region": "us-east-1",
            "allow_http": "true",
        }
        return f"s3://{bucket}?{urlencode(query)}"

    def prepare(self) -> None:
        (self.folder.path / "data").mkdir(exist_ok=True)

    def processes(self) -> list[Process]:
        path = self.folder.path
        address = f"127.0.0.1:{self.port}"
        command = [str(self.program), "server", str(path / "data"), "--address", address]
        environment = {
            "HOME": str(path),
            "MINIO_ROOT_USER": self.access_key_id,
            "MINIO_ROOT_PASSWORD": self.secret_access_key,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }
        return [Process("minio", command, environment)]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/minio/health/cluster", timeout=2).is_success
        except httpx.HTTPError:
            return False
