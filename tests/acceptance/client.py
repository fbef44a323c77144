"""A user of Sangraha over HTTP: knows the addresses, nothing of what is behind them."""

import json
import re
from collections.abc import AsyncIterable, Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from sangraha.http.routes import ROUTES, Service
from tests.waiting import eventually

CREATE = {"json": "create_json", "image": "create_image", "pdf": "create_pdf"}


class Client:
    """Sends each operation of the route table to the service that serves it."""

    def __init__(self, urls: Mapping[Service, str]) -> None:
        self._urls = urls
        self._http = httpx.AsyncClient(
            timeout=70, limits=httpx.Limits(max_connections=100, max_keepalive_connections=0)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    def url(self, service: Service, path: str) -> str:
        """An address of one service."""
        return self._urls[service] + path

    async def call(self, operation: str, /, *, path: Any = None, **request: Any) -> httpx.Response:
        """Send one operation; `path` is the value of its path parameter, or all of them by name.

        They go out as they are: what has to be percent-encoded, the caller encodes.
        """
        route = next(route for route in ROUTES if route.operation == operation)
        given = path if isinstance(path, Mapping) else {}
        address = re.sub(r"\{(\w+)\}", lambda found: str(given.get(found[1], path)), route.path)
        return await self._http.request(route.method, self.url(route.service, address), **request)

    async def put(
        self,
        name: str,
        body: bytes | AsyncIterable[bytes],
        *,
        bucket: str = "default",
        **request: Any,
    ) -> httpx.Response:
        """Keep an object under a name that needs no encoding."""
        path = {"bucket": bucket, "name": name}
        return await self.call("put_object", path=path, content=body, **request)

    async def get(self, name: str, *, bucket: str = "default", **request: Any) -> httpx.Response:
        """Read the object of a name."""
        return await self.call("get_named", path={"bucket": bucket, "name": name}, **request)

    async def create(
        self,
        kind: str,
        body: bytes,
        file_name: str = "file",
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Write one object of a kind: JSON in its envelope, others as a form."""
        if kind == "json":
            document = b'{"data": ' + body + b', "file_name": ' + _quoted(file_name) + b"}"
            return await self.call(
                CREATE[kind],
                content=document,
                headers={"Content-Type": "application/json", **(headers or {})},
            )
        files = {"file": (file_name, body, "application/octet-stream")}
        return await self.call(CREATE[kind], files=files, headers=headers)

    async def read(
        self, object_id: str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Read one object."""
        return await self.call("get_object", path=object_id, headers=headers)

    async def status(self, request_id: str, headers: Mapping[str, str] | None = None) -> Any:
        """What became of a request, as a document."""
        answer = await self.call("get_request", path=request_id, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, request_id: str, within_seconds: float = 60) -> Any:
        """The status of a request once it is not `accepted` any more."""

        async def over() -> Any:
            answer = await self.call("get_request", path=request_id)
            if answer.status_code == 503:
                return None
            assert answer.status_code == 200, answer.text
            document = answer.json()
            return document if document["status"] != "accepted" else None

        return await eventually(over, within_seconds=within_seconds, what=f"end of {request_id}")


def _quoted(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode()
