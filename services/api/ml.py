"""The client of the ML service, which speaks RunPod's protocol."""

import asyncio
import os
from typing import Any

import httpx
import logs
from fastapi import HTTPException


class Ml:
    def __init__(self) -> None:
        base, endpoint = os.environ.get("ML_BASE_URL", "http://ml:9000"), os.environ.get("ML_ENDPOINT_ID", "mock")
        key = os.environb.get(b"ML_API_KEY", b"none")
        self.client = httpx.AsyncClient(
            base_url=f"{base}/v2/{endpoint}",
            headers=[(b"Authorization", b"Bearer " + key)],
            event_hooks={"request": [logs.hand_on]},
            timeout=60,
        )
        self.state = "unknown"

    async def draw(self, story: str) -> list[Any]:
        job, state = await self.ask("POST", "/runsync", json={"input": {"prompt": story, "panels": 4}})
        match job:
            case {"status": "COMPLETED", "output": {"panels": list(panels)}}:
                return panels
            case {"status": str(status)}:
                state = f"job {status}"
        raise HTTPException(502, f"The ML service drew no comic ({state})")

    async def watch(self) -> None:
        """Keep `state` fresh, so that /health costs the ML service nothing however often it is asked."""
        while True:
            _, self.state = await self.ask("GET", "/health", timeout=3)
            await asyncio.sleep(10 if self.state == "ok" else 2)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[object, str]:
        """The answer and "ok", or nothing and what is wrong, which quotes nothing secret."""
        try:
            return (await self.client.request(method, path, **options)).raise_for_status().json(), "ok"
        except httpx.HTTPStatusError as error:
            return None, f"down: HTTP {error.response.status_code}"
        except (httpx.HTTPError, ValueError) as error:
            return None, f"down: {type(error).__name__}"
