"""The client of the ML service, which speaks RunPod's protocol."""

import asyncio
import os
from typing import Any

import httpx


class MlError(Exception):
    """The ML service gave no comic; the message says why and quotes nothing secret."""


class Ml:
    def __init__(self) -> None:
        base, endpoint = os.environ.get("ML_BASE_URL", "http://ml:9000"), os.environ.get("ML_ENDPOINT_ID", "mock")
        key = os.environb.get(b"ML_API_KEY", b"none")
        self.client = httpx.AsyncClient(
            base_url=f"{base}/v2/{endpoint}", headers=[(b"Authorization", b"Bearer " + key)], timeout=60
        )
        self.state = "unknown"

    async def draw(self, story: str) -> dict[str, Any]:
        match await self.request("POST", "/runsync", json={"input": {"prompt": story, "panels": 4}}):
            case {"status": "COMPLETED", "output": {"panels": list(panels), "model": str(model)}}:
                return {"panels": panels, "model": model}
            case {"status": str(status)}:
                raise MlError(f"job {status}")
        raise MlError("not a RunPod job")

    async def watch(self) -> None:
        """Keep `state` fresh, so that /health costs the ML service nothing however often it is asked."""
        while True:
            try:
                await self.request("GET", "/health", timeout=3)
                self.state = "ok"
            except MlError as error:
                self.state = f"down: {error}"
            await asyncio.sleep(10 if self.state == "ok" else 2)

    async def request(self, method: str, path: str, **options: Any) -> object:
        try:
            return (await self.client.request(method, path, **options)).raise_for_status().json()
        except httpx.HTTPStatusError as error:
            raise MlError(f"HTTP {error.response.status_code}") from None
        except (httpx.HTTPError, ValueError) as error:
            raise MlError(type(error).__name__) from None
