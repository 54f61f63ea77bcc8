"""A stand-in for a RunPod endpoint: the same protocol, and an artist who draws the same text always the same way."""

import hashlib
import html
import os
import re
import secrets
from itertools import pairwise
from random import Random
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

KEY = os.environ.get("ML_API_KEY", "")
# Sky above, sky below, far hills, near hills, light.
PALETTES = (
    ("#1b2a6b", "#f08a5d", "#6a2c70", "#2b1b3d", "#ffe9a8"),
    ("#7fd1e0", "#fdf3d0", "#7fb069", "#386641", "#ffd166"),
    ("#0b132b", "#3a506b", "#1c2541", "#060a17", "#f4f1de"),
)
HERO = """<path d="M-4-42C-34-24-24-8-36 0L0-4z" fill="#d00000"/><circle cx="1" cy="-50" r="10" fill="#ffdbac"/>
    <path d="M-9 0-6-40H8L11 0H4L1-18-3 0z" fill="#14213d"/><path d="M-10-52a11 11 0 0 1 22 0z" fill="#3d1f00"/>"""


class Prompt(BaseModel):
    prompt: Annotated[str, Field(min_length=1)]
    panels: Annotated[int, Field(ge=1, le=12)] = 4


def authorized(authorization: Annotated[str, Header()] = "") -> None:
    if KEY and not secrets.compare_digest(authorization.encode("latin-1"), f"Bearer {KEY}".encode()):
        raise HTTPException(401, "Unauthorized")


app = FastAPI(title="Morpheus ML mock", openapi_url=None)


@app.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok", "version": os.environ.get("RELEASE", "0.0.0-dev")}


@app.get("/v2/{endpoint}/health", dependencies=[Depends(authorized)])
async def endpoint_health(endpoint: str) -> dict[str, Any]:
    return {"jobs": {"inProgress": 0, "inQueue": 0}, "workers": {"idle": 1, "running": 0}}


@app.post("/v2/{endpoint}/runsync", dependencies=[Depends(authorized)])
async def run(endpoint: str, input: Annotated[Prompt, Body(embed=True)]) -> dict[str, Any]:
    panels = [{"caption": scene, "svg": draw(scene)} for scene in scenes(input.prompt, input.panels)]
    answer = {"status": "COMPLETED", "delayTime": 4, "executionTime": 40}
    identifier = hashlib.sha256(input.prompt.encode()).hexdigest()[:12]
    return {"id": f"sync-{identifier}", **answer, "output": {"panels": panels, "model": "mock-1"}}


def scenes(text: str, limit: int) -> list[str]:
    """The text's sentences, spread evenly over at most `limit` scenes."""
    sentences = [" ".join(s.split()) for s in re.split(r"(?<=[.!?…])\s+|\n{2,}", text) if s.strip()] or ["…"]
    number = min(limit, len(sentences))
    edges = [round(i * len(sentences) / number) for i in range(number + 1)]
    return [" ".join(sentences[start:end]) for start, end in pairwise(edges)]


def draw(scene: str) -> str:
    chance = Random(scene)
    sky, glow, far, near, light = chance.choice(PALETTES)
    x, y, r = chance.randint(50, 350), chance.randint(40, 110), chance.randint(18, 36)
    a, b, c, d, e = (chance.randint(low, low + 60) for low in (110, 120, 130, 195, 190))
    stars = "".join(f"M{chance.randint(0, 400)} {chance.randint(0, 140)}h2v2h-2z" for _ in range(24))
    hero = f'<g transform="translate({chance.randint(80, 310)} {chance.randint(250, 275)}) scale(1.6)">{HERO}</g>'
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><title>{html.escape(scene)}</title>
    <linearGradient id="s" x2="0" y2="1">
    <stop stop-color="{sky}"/><stop stop-color="{glow}" offset="1"/></linearGradient>
    <path fill="url(#s)" d="M0 0h400v300H0z"/><path fill="{light}" opacity=".7" d="{stars}"/>
    <circle cx="{x}" cy="{y}" r="{r}" fill="{light}" stroke="{light}" stroke-width="22" stroke-opacity=".3"/>
    <path fill="{far}" d="M0 210C60 {a} 130 {b} 200 190S340 {c} 400 200V300H0z"/>
    <path fill="{near}" d="M0 {d}C110 {e} 260 {d} 400 {e}V300H0z"/>{hero}</svg>"""
