"""A real browser: Chromium without a window shows, plays and reads what is kept, from a page of
another origin, and runs none of it.
"""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from development.software import CHROMIUM
from tests.acceptance.client import Client
from tests.acceptance.deployment import Deployment
from tests.acceptance.programs import running
from tests.samples import image

SOUND_SECONDS = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
)

PAGE = """<!doctype html><title>a page</title><body><script>
const until = (target, event) => new Promise((resolve, reject) => {
  target.addEventListener(event, resolve, {once: true});
  target.addEventListener("error", () => reject(new Error(event + " never came")), {once: true});
});
const tests = {
  async image(url) {
    const image = new Image(); image.src = url; await until(image, "load");
    return [image.naturalWidth, image.naturalHeight];
  },
  async seek(url) {
    const player = document.createElement("video"); player.preload = "metadata"; player.src = url;
    document.body.append(player); await until(player, "loadedmetadata");
    const end = player.duration; player.currentTime = end - 5; await until(player, "seeked");
    return [Math.round(end), Math.round(player.currentTime)];
  },
  async range(url) {
    const answer = await fetch(url, {headers: {Range: "bytes=5-9"}});
    return [answer.status, answer.headers.get("content-range"), await answer.text()];
  },
  async put(url) {
    const answer = await fetch(url, {method: "PUT", body: "from a page",
      headers: {"If-None-Match": "*", "Sangraha-Meta-Origin": "page"}});
    return [answer.status, answer.headers.get("etag") !== null, (await answer.json()).metadata];
  },
  async open(url) {
    const frame = document.createElement("iframe"); frame.src = url;
    const told = new Promise((resolve) => {
      addEventListener("message", () => resolve("it ran"));
      frame.addEventListener("load", () => setTimeout(() => resolve("it did not run"), 500));
    });
    document.body.append(frame); return await told;
  },
};
(async () => {
  const results = {};
  for (const [name, test, url] of JSON.parse(document.body.dataset.asked ?? "[]"))
    try { results[name] = await tests[test](url); } catch (error) { results[name] = String(error); }
  await fetch("/report", {method: "POST", body: JSON.stringify(results)});
})();
</script>"""


class Pages:
    """A little web site: the page, and what it reports."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.report: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.origin = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Pages"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        except asyncio.IncompleteReadError:
            # A browser opens connections before it needs them.
            writer.close()
            return
        content = b""
        if head.startswith("post /report"):
            size = int(head.partition("content-length: ")[2].split()[0])
            self.report.set_result(json.loads(await reader.readexactly(size)))
        elif head.startswith("get / "):
            asked = json.dumps(self.asked).replace("&", "&amp;").replace("'", "&#39;")
            content = PAGE.replace("<body>", f"<body data-asked='{asked}'>").encode()
        fields = f"Content-Type: text/html\r\nContent-Length: {len(content)}\r\nConnection: close"
        writer.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode() + content)
        await writer.drain()
        writer.close()


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    async with Pages().open() as pages:
        yield pages


def sound() -> bytes:
    """A minute of a rising tone, 5 MB."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(44_100)
        one_second = b"".join(
            ((n * n // 4000) % 20_000 - 10_000).to_bytes(2, "little", signed=True)
            for n in range(44_100)
        )
        writer.writeframes(one_second * SOUND_SECONDS)
    return file.getvalue()


async def seen_by_browser(pages: Pages, folder: Path) -> dict[str, Any]:
    profile = f"--user-data-dir={folder / 'profile'}"
    async with running(CHROMIUM, *FLAGS, profile, pages.origin, folder=folder):
        async with asyncio.timeout(60):
            return await pages.report


async def kept(client: Client, name: str, body: bytes, content_type: str) -> str:
    answer = await client.put(name, body, headers={"Content-Type": content_type})
    assert answer.status_code == 201, answer.text
    return client.url("getter", f"/buckets/default/objects/{name}")


async def test_a_browser_shows_plays_and_reads_but_runs_nothing(
    pages: Pages, tmp_path: Path
) -> None:
    deployment = Deployment.embedded(SANGRAHA_CORS_ORIGINS=json.dumps([pages.origin]))
    script = "<script>parent.postMessage('ran', '*')</script>"
    drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{script}</svg>'
    async with deployment.running() as client:
        text = await kept(client, "a.txt", b"0123456789", "text/plain")
        pages.asked = [
            ("image", "image", await kept(client, "a.png", image("PNG", 40, 30), "image/png")),
            ("sound", "seek", await kept(client, "a.wav", sound(), "audio/wav")),
            ("range", "range", text),
            ("put", "put", client.url("receiver", "/buckets/default/objects/from-page")),
            ("html", "open", await kept(client, "a.html", script.encode(), "text/html")),
            ("svg", "open", await kept(client, "a.svg", drawing.encode(), "image/svg+xml")),
        ]
        seen = await seen_by_browser(pages, tmp_path)
        played = [line for line in deployment.log_lines() if "a.wav" in line["message"]]
    assert seen == {
        "image": [40, 30],
        "sound": [SOUND_SECONDS, SOUND_SECONDS - 5],
        "range": [206, "bytes 5-9/10", "56789"],
        "put": [201, True, {"origin": "page"}],
        "html": "it did not run",
        "svg": "it did not run",
    }
    assert 206 in {line.get("status") for line in played}
