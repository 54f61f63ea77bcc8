"""The Morpheus API: stories in, comics out."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
from fastapi import FastAPI, HTTPException, Query, Request, Response, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from . import flags
from .database import Database
from .door import Door
from .flags import RequestFlags
from .identity import FAULT, IDENTITY, RELEASE, report
from .labels import Labels
from .ml import Ml
from .pictures import THERE, Content, pictures
from .users import Owner, router, users

# Postgres stores no NUL.
Text = Annotated[str, Field(min_length=1, max_length=20_000, pattern=r"^[^\x00]*$")]
# A file, so that it does not stand in `docker inspect`. A replica that may not read it does not start.
SESSION_FILE = Path("/run/secrets/session_secret")
SESSION_SECRET = SESSION_FILE.read_bytes() if SESSION_FILE.exists() else os.environb.get(b"SESSION_SECRET", b"")
database = Database()
ml = Ml()


class NewStory(BaseModel):
    title: Annotated[Text, Field(max_length=200)]
    text: Text


class Source(BaseModel):
    story_id: int | None = None
    text: Text | None = None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await flags.load()
    async with database.pool, ml.client, users.client, pictures.client:
        watch = asyncio.create_task(ml.watch())
        yield
        watch.cancel()


api = FastAPI(title="Morpheus", version=RELEASE, lifespan=lifespan, docs_url=None, redoc_url=None)
api.include_router(router)
app = Labels(Door(api))


@api.exception_handler(psycopg.Error)
async def database_failed(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": f"The database failed: {type(error).__name__}"}, 503)


@api.get("/health")
async def health() -> JSONResponse:
    state, schema = await database.probe()
    is_ok = state == "ok" and schema is not None and FAULT != "unhealthy"
    return report("ok" if is_ok else "unhealthy", schema, database=state, ml=ml.state)


@api.get("/api/version")
async def version() -> dict[str, str]:
    return {"release": RELEASE, "replica": IDENTITY["replica"], "environment": IDENTITY["environment"]}


@api.get("/api/context")
async def context(found: RequestFlags) -> dict[str, Any]:
    """What a page learns at run time: where it is, and which features its user has."""
    return {"environment": IDENTITY["environment"], "release": RELEASE, "flags": found.as_dict()}


@api.get("/api/slow")
async def slow(seconds: Annotated[float, Query(ge=0, le=30)] = 3) -> dict[str, Any]:
    await asyncio.sleep(seconds)
    return {"seconds": seconds, "release": RELEASE, "replica": IDENTITY["replica"]}


@api.post("/api/echo")
async def echo(request: Request) -> dict[str, Any]:
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return {"bytes": size, "sha256": digest.hexdigest(), "release": RELEASE}


@api.websocket("/api/ws")
async def websocket_echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        await websocket.send_text(text)


@api.post("/api/stories", status_code=201)
async def add_story(story: NewStory, owner: Owner) -> dict[str, Any]:
    query = "insert into stories (title, text, owner) values (%s, %s, %s) returning id, title, text, created_at"
    return (await database.rows(query, story.title, story.text, owner))[0]


@api.get("/api/stories")
async def list_stories(owner: Owner) -> list[dict[str, Any]]:
    query = "select id, title, created_at from stories where owner is not distinct from %s::uuid order by id desc limit 50"
    return await database.rows(query, owner)


@api.get("/api/stories/{story_id}")
async def read_story(story_id: int, owner: Owner) -> dict[str, Any]:
    """Another user's is not there: an id tells nobody that it is taken."""
    query = "select id, title, text, created_at from stories where id = %s and owner is not distinct from %s::uuid"
    for story in await database.rows(query, story_id, owner):
        return story
    raise HTTPException(404, f"There is no story {story_id}")


@api.get("/api/pictures")
async def takes_pictures(owner: Owner, story: int | None = None) -> dict[str, Any]:
    """What a page asks before it shows a form: whether pictures are kept, which, and whether the story has one."""
    if not THERE:
        return {"kept": False}
    most, kinds = await pictures.takes()
    return {"kept": True, "max_bytes": most, "types": kinds, "has": story is not None and await pictures.has(owner, story)}


@api.put("/api/stories/{story_id}/picture")
async def keep_picture(story_id: int, owner: Owner, content: Content) -> dict[str, Any]:
    await read_story(story_id, owner)
    return {"type": await pictures.keep(owner, story_id, content), "bytes": len(content)}


@api.get("/api/stories/{story_id}/picture")
async def show_picture(story_id: int, owner: Owner) -> Response:
    await read_story(story_id, owner)
    return await pictures.show(owner, story_id)


@api.post("/api/transform")
async def transform(source: Source, found: RequestFlags, owner: Owner) -> dict[str, Any]:
    text = source.text if source.story_id is None else (await read_story(source.story_id, owner))["text"]
    if text is None:
        raise HTTPException(422, "Give a story_id or a text")
    panels = await ml.draw(text)
    if found.loud_captions:
        panels = [{**panel, "caption": str(panel["caption"]).upper()} for panel in panels]
    return {"panels": panels, "release": RELEASE}
