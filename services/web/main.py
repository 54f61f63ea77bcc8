"""The Morpheus web app: one page. The edge routes its calls of /api to the API on the same origin.

One image serves every environment: which one it is, and where its API is, the page learns from the container that sends it; the
features of its user it asks the API for.
"""

import html
import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

RELEASE = os.environ.get("RELEASE", "0.0.0-dev")
ENVIRONMENT = os.environ.get("APP_ENVIRONMENT", "development")
# Empty where the API answers at the page's own origin.
API_URL = os.environ.get("API_URL", "").rstrip("/")
HEADERS = {"X-Environment": ENVIRONMENT, "X-Release": RELEASE}


def rendered(page: str) -> str:
    """One file, styles and script inside: while two releases serve, a page never meets another release's script."""
    context = {"environment": ENVIRONMENT, "release": RELEASE, "api": API_URL}
    parts = urlsplit(API_URL)
    places = {
        "{context}": json.dumps(context).replace("<", "\\u003c"),
        "{api}": html.escape(f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""),
        "{release}": html.escape(RELEASE),
    }
    for place, text in places.items():
        page = page.replace(place, text)
    return page


PAGE = rendered((Path(__file__).parent / "index.html").read_text())

app = FastAPI(title="Morpheus web", openapi_url=None)


@app.get("/", response_class=HTMLResponse)
async def page() -> HTMLResponse:
    return HTMLResponse(PAGE, headers={"Cache-Control": "no-cache", **HEADERS})


@app.get("/healthz")
async def health() -> dict[str, str]:
    return {"status": "ok", "version": RELEASE}
