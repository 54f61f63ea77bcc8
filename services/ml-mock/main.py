"""A stand-in for a RunPod endpoint: the same protocol, and an artist who draws the same text always the same way.

What an answer looks like is said by the contracts in ML_CONTRACTS, a directory: it is made of the JSON schema of each endpoint.
"x-mock" says what the artist does: "scenes" gives an array an item for each scene, "caption" and "svg" are a scene's.
"""

import os
import re
import secrets
from pathlib import Path
from random import Random
from typing import Annotated, Any

import yaml
from fastapi import Body, Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

DIRECTORY = Path(os.environ.get("ML_CONTRACTS", "/contracts"))
CONTRACTS = {
    contract["endpoint"]: contract for contract in map(yaml.safe_load, map(Path.read_text, sorted(DIRECTORY.glob("*.yml"))))
}
if not CONTRACTS:
    raise SystemExit(f"ML_CONTRACTS: there is no contract (*.yml) in {DIRECTORY}, and nothing to answer without one")
KEY = os.environ.get("ML_API_KEY", "")
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
    # Whoever asks for an endpoint that has no contract gets what the first one says.
    contract = CONTRACTS.get(endpoint) or next(iter(CONTRACTS.values()))
    output = made(contract["answer"], scenes(input.prompt, input.panels))
    return {"id": f"sync-{secrets.token_hex(6)}", "status": "COMPLETED", "output": output}


def made(schema: dict[str, Any], texts: list[str]) -> Any:
    """What the schema asks for. Of a mapping, what is required and what the artist knows to do."""
    scene, part = texts[0], schema.get("x-mock")
    if part in ("caption", "svg"):
        return {"caption": scene, "svg": draw(scene)}[part]
    if "const" in schema or "enum" in schema:
        return schema.get("const", *schema.get("enum", [])[:1])
    if schema.get("type") == "object":
        wanted = schema.get("properties", {}).items()
        return {name: made(one, texts) for name, one in wanted if name in schema.get("required", ()) or "x-mock" in one}
    if schema.get("type") == "array":
        each = [[text] for text in texts] if part == "scenes" else [texts] * schema.get("minItems", 1)
        return [made(schema["items"], one) for one in each[: schema.get("maxItems")]]
    least = schema.get("minimum", 0)
    return {"string": "x" * schema.get("minLength", 1), "integer": least, "number": least, "boolean": True}.get(
        schema.get("type")
    )


def scenes(text: str, limit: int) -> list[str]:
    """The text's sentences, as many to a scene as it takes to need no more than `limit` scenes."""
    sentences = [" ".join(s.split()) for s in re.split(r"(?<=[.!?…])\s+|\n{2,}", text) if s.strip()] or ["…"]
    size = -(-len(sentences) // limit)
    return [" ".join(sentences[start : start + size]) for start in range(0, len(sentences), size)]


def draw(scene: str) -> str:
    chance = Random(scene)
    hue, hill, moon, hero = (chance.randint(*ends) for ends in ((190, 320), (110, 170), (50, 350), (80, 310)))
    stars = "".join(f"M{chance.randint(0, 400)} {chance.randint(0, 140)}h2v2h-2z" for _ in range(24))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 300"><linearGradient id="sky" x2="0" y2="1">
    <stop stop-color="hsl({hue},60%,20%)"/><stop stop-color="hsl({hue + 90},85%,75%)" offset="1"/></linearGradient>
    <path fill="url(#sky)" d="M0 0h400v300H0z"/><path fill="#fff" opacity=".7" d="{stars}"/>
    <circle fill="#ffe9a8" cx="{moon}" cy="{hill - 50}" r="28"/><g fill="hsl({hue},50%,15%)">
    <path opacity=".6" d="M0 210C60 {hill} 130 {hill} 200 190S340 {hill} 400 200V300H0z"/>
    <path d="M0 {hill + 90}C110 190 260 230 400 {340 - hill}V300H0z"/></g>
    <g transform="translate({hero} 270) scale(1.6)">{HERO}</g></svg>"""
