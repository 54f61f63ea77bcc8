"""Pictures of stories, in a bucket of the environment's own Supabase project.

STORAGE_BUCKET names the bucket, in the project of AUTH_URL, and STORAGE_KEY is the project's secret key, which no browser sees:
whose story it is decides who may see a picture. Without both there are no pictures.
"""

import os
from fnmatch import fnmatch
from typing import Annotated, Any

import httpx
from fastapi import Depends, HTTPException, Request, Response

from .users import URL

BUCKET = os.environ.get("STORAGE_BUCKET", "")
KEY = os.environ.get("STORAGE_KEY", "")
THERE = bool(URL and BUCKET and KEY)
MOST_BYTES = 5_000_000
# What a browser shows, by the bytes that it begins with. Nothing that may run a script.
KINDS = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


# As it names itself in the answer's body; the answer's own status is often 400.
TOO_LARGE, NO_SUCH_KIND = 413, 415


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:g} MB"


class Pictures:
    def __init__(self) -> None:
        headers = {"apikey": KEY, "Authorization": f"Bearer {KEY}"}
        self.client = httpx.AsyncClient(base_url=f"{URL}/storage/v1", headers=headers, timeout=15)

    async def keep(self, owner: str | None, story: int, content: bytes) -> str:
        """In the place of one that is there. Its kind."""
        kind = next((kind for head, kind in KINDS.items() if content.startswith(head)), "")
        if not kind:
            raise HTTPException(NO_SUCH_KIND, _no_such_kind(list(KINDS.values())))
        headers = {"Content-Type": kind, "x-upsert": "true"}
        answer = await self._ask("POST", _place(owner, story), content=content, headers=headers)
        if answer.status_code != 200:
            await self._refused(answer)
            raise HTTPException(503, f"The picture was not kept: the storage answered with status {answer.status_code}")
        return kind

    async def takes(self) -> tuple[int, list[str]]:
        """How many bytes, and which kinds: what the bucket was declared with, and no more than the API takes."""
        answer = await self._ask("GET", f"/bucket/{BUCKET}")
        if answer.status_code != 200:
            raise HTTPException(503, f"The storage answered with status {answer.status_code}")
        said = answer.json()
        allowed = said.get("allowed_mime_types") or ["*"]
        kinds = [kind for kind in KINDS.values() if any(fnmatch(kind, one) for one in allowed)]
        return min(said.get("file_size_limit") or MOST_BYTES, MOST_BYTES), kinds

    async def has(self, owner: str | None, story: int) -> bool:
        wanted = {"prefix": owner or "nobody", "search": str(story), "limit": 1000}
        answer = await self._ask("POST", f"/object/list/{BUCKET}", json=wanted)
        if answer.status_code != 200:
            raise HTTPException(503, f"The storage answered with status {answer.status_code}")
        return any(one["name"] == str(story) for one in answer.json())

    async def _refused(self, answer: httpx.Response) -> None:
        """Says what the bucket takes, when it was asked for something else."""
        try:
            status = int(answer.json()["statusCode"])
        except (ValueError, KeyError, TypeError):
            status = answer.status_code
        if status not in (TOO_LARGE, NO_SUCH_KIND):
            return
        most, kinds = await self.takes()
        raise HTTPException(status, _too_large(most) if status == TOO_LARGE else _no_such_kind(kinds))

    async def show(self, owner: str | None, story: int) -> Response:
        answer = await self._ask("GET", _place(owner, story))
        if answer.status_code in (400, 404):
            raise HTTPException(404, f"Story {story} has no picture")
        if answer.status_code != 200:
            raise HTTPException(503, f"The storage answered with status {answer.status_code}")
        kind = next((kind for head, kind in KINDS.items() if answer.content.startswith(head)), "application/octet-stream")
        return Response(
            answer.content, media_type=kind, headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
        )

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        if not THERE:
            raise HTTPException(404, "There are no pictures here")
        try:
            return await self.client.request(method, path, **options)
        except httpx.HTTPError as error:
            raise HTTPException(503, f"The storage is away: {type(error).__name__}") from None


def _place(owner: str | None, story: int) -> str:
    return f"/object/{BUCKET}/{owner or 'nobody'}/{story}"


def _too_large(most: int) -> str:
    return f"A picture has at most {megabytes(most)}"


def _no_such_kind(kinds: list[str]) -> str:
    return f"A picture is one of {', '.join(kinds)}"


async def content(request: Request) -> bytes:
    """The body, which is not read further than it may be long."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > MOST_BYTES:
            raise HTTPException(TOO_LARGE, _too_large(MOST_BYTES))
    return bytes(found)


pictures = Pictures()
Content = Annotated[bytes, Depends(content)]
