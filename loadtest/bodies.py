"""One size: curl PUTs and GETs a body through Sangraha and, by presigned addresses, straight
against the MinIO behind it, in turn.
"""

import hashlib
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from minio import Minio

from development.servers import MinioServer
from development.software import CURL
from loadtest.memory import PeakMemory
from tests.acceptance.deployment import Deployment

MIB = 1024 * 1024
DIRECT_BUCKET = "straight"


@dataclass(frozen=True, slots=True)
class Pair:
    """Seconds of one transfer each way."""

    straight: float
    sangraha: float

    @property
    def ratio(self) -> float:
        """Sangraha's throughput as a part of MinIO's."""
        return self.straight / self.sangraha


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured of one size. Memory is what the peak of each service rose by, in bytes."""

    size: int
    put: Sequence[Pair]
    get: Sequence[Pair]
    memory: dict[str, int]

    def document(self) -> dict[str, Any]:
        """The same for JSON, with what the table shows."""
        ratios = {
            name: statistics.median(pair.ratio for pair in pairs)
            for name, pairs in (("put", self.put), ("get", self.get))
        }
        return {**asdict(self), "ratios": ratios}


def measure(deployment: Deployment, minio: MinioServer, size: int, repeats: int) -> Measured:
    """Raises AssertionError where anything that was written is not read back as it was."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "body"
        digest = random_file(file, size)
        straight = StraightIntoMinio(minio, f"{size}")
        ours = ThroughSangraha(deployment, f"{size}", digest)
        for one in (straight, ours):
            one.put(file)
            assert one.digest() == digest, "a body came back altered"
        with PeakMemory(deployment) as memory:
            put: list[Pair] = []
            get: list[Pair] = []
            for turn in range(repeats):
                first, second = (straight, ours) if turn % 2 else (ours, straight)
                for pairs, transfer in ((put, "put"), (get, "get")):
                    seconds = {
                        one: one.put(file) if transfer == "put" else one.get()
                        for one in (first, second)
                    }
                    pairs.append(Pair(seconds[straight], seconds[ours]))
    return Measured(size, put, get, memory.risen)


class ThroughSangraha:
    """The body under a name in the default bucket."""

    def __init__(self, deployment: Deployment, name: str, digest: str) -> None:
        path = f"/buckets/default/objects/{name}"
        self._put_url = deployment.servers["receiver"].url + path
        self._get_url = deployment.servers["getter"].url + path
        self._digest = digest

    def put(self, file: Path) -> float:
        """Seconds until it was stored and catalogued."""
        answer, seconds = curl("-T", str(file), "-H", "Prefer: wait=60", self._put_url)
        assert json.loads(answer)["sha256"] == self._digest, answer
        return seconds

    def get(self) -> float:
        """Seconds until the last byte had come."""
        return curl("-o", os.devnull, self._get_url)[1]

    def digest(self) -> str:
        """That of what comes back."""
        return digest_of(self._get_url)


class StraightIntoMinio:
    """The same body in a bucket of its own, by presigned addresses: curl knows no S3."""

    def __init__(self, minio: MinioServer, name: str) -> None:
        client = Minio(
            f"127.0.0.1:{minio.port}",
            minio.access_key_id,
            minio.secret_access_key,
            secure=False,
            region="us-east-1",
        )
        if not client.bucket_exists(DIRECT_BUCKET):
            client.make_bucket(DIRECT_BUCKET)
        self._put_url = client.presigned_put_object(DIRECT_BUCKET, name)
        self._get_url = client.presigned_get_object(DIRECT_BUCKET, name)

    def put(self, file: Path) -> float:
        """Seconds until MinIO had it."""
        return curl("-T", str(file), self._put_url)[1]

    def get(self) -> float:
        """Seconds until the last byte had come."""
        return curl("-o", os.devnull, self._get_url)[1]

    def digest(self) -> str:
        """That of what comes back."""
        return digest_of(self._get_url)


def curl(*arguments: str) -> tuple[bytes, float]:
    """What curl printed, and the seconds it took by its own clock. Raises CalledProcessError."""
    command = [str(CURL.path()), "-sS", "--fail", "-w", "%{stderr}%{time_total}", *arguments]
    ended = subprocess.run(command, capture_output=True, check=True)
    return ended.stdout, float(ended.stderr.split()[-1])


def digest_of(url: str) -> str:
    """The SHA-256 of what an address gives, never all of it in memory."""
    command = [str(CURL.path()), "-sS", "--fail", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        return hashlib.file_digest(process.stdout, "sha256").hexdigest()  # type: ignore[arg-type]  # a pipe is enough


def random_file(path: Path, size: int) -> str:
    """Write so many random bytes; their SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, 16 * MIB):
            piece = os.urandom(min(16 * MIB, size - start))
            digest.update(piece)
            file.write(piece)
    return digest.hexdigest()
