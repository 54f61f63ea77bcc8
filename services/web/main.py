"""The Morpheus web app: one page. The edge routes its calls of /api to the API on the same origin."""

import os
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

RELEASE = os.environ.get("RELEASE", "0.0.0-dev")
# One file, styles and script inside: while two releases serve, a page never meets another release's script.
PAGE = (Path(__file__).parent / "index.html").read_text().replace("{release}", RELEASE)

app = FastAPI(title="Morpheus web", openapi_url=None)


@app.get("/", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"Cache-Control": "no-cache"})


@app.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok", "version": RELEASE}
