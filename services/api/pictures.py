"""Pictures of stories, in a bucket of the environment's own Supabase project.

STORAGE_BUCKET names the bucket, in the project of AUTH_URL, and STORAGE_KEY is the project's secret key, which no browser sees:
whose story it is decides who may see a picture. Without both there are no pictures.
"""

import os
from typing import Annotated, Any

import httpx
from fastapi import Depends, HTTPException, Request, Response

from .users import URL

BUCKET = os.environ.get("STORAGE_BUCKET", "")
KEY = os.environ.get("STORAGE_KEY", "")
MOST_BYTES = 5_000_000
# What a browser shows, by the bytes that it begins with. Nothing that may run a script.
KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


class Pictures:
    def __init__(self) -> None:
        headers = {"apikey": KEY, "Authorization": f"Bearer {KEY}"}
        self.client = httpx.AsyncClient(base_url=f"{URL}/storage/v1", headers=headers, timeout=15)

    async def keep(self, owner: str | None, story: int, content: bytes) -> str:
        """In the place of one that is there. Its kind."""
        kind = next((kind for head, kind in KINDS.items() if content.startswith(head)), "")
        if not kind:
            raise HTTPException(415, f"A picture is one of {', '.join(KINDS.values())}")
        headers = {"Content-Type": kind, "x-upsert": "true"}
        answer = await self._ask("POST", owner, story, content=content, headers=headers)
        if answer.status_code != 200:
            raise HTTPException(503, f"The picture was not kept: the storage answered with status {answer.status_code}")
        return kind

    async def show(self, owner: str | None, story: int) -> Response:
        answer = await self._ask("GET", owner, story)
        if answer.status_code in (400, 404):
            raise HTTPException(404, f"Story {story} has no picture")
        if answer.status_code != 200:
            raise HTTPException(503, f"The storage answered with status {answer.status_code}")
        kind = next((kind for head, kind in KINDS.items() if answer.content.startswith(head)), "application/octet-stream")
        return Response(
            answer.content, media_type=kind, headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private"}
        )

    async def _ask(self, method: str, owner: str | None, story: int, **options: Any) -> httpx.Response:
        if not (URL and BUCKET and KEY):
            raise HTTPException(404, "There are no pictures here")
        try:
            return await self.client.request(method, f"/object/{BUCKET}/{owner or 'nobody'}/{story}", **options)
        except httpx.HTTPError as error:
            raise HTTPException(503, f"The storage is away: {type(error).__name__}") from None


async def content(request: Request) -> bytes:
    """The body, which is not read further than it may be long."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_BYTES:
            raise HTTPException(413, f"A picture has at most {MOST_BYTES} bytes")
    return bytes(found)


pictures = Pictures()
Content = Annotated[bytes, Depends(content)]
