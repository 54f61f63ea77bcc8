"""On the host: how long one more container like a running replica takes to its first 200, and an idle one to its stop."""

import http.client
import json
import time
from contextlib import suppress

import docker

NAME = "bench-floor"
LABELS = ["com.docker.compose.project=morpheus", "com.docker.compose.service=api"]
api = docker.APIClient()
like = api.inspect_container(api.containers(filters={"label": LABELS})[0]["Id"])
environment, healthcheck, settings = like["Config"]["Env"], like["Config"]["Healthcheck"], like["HostConfig"]


def is_ready(address: str) -> bool:
    connection = http.client.HTTPConnection(address, 8000, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


try:
    begin = time.monotonic()
    api.create_container(like["Image"], environment=environment, healthcheck=healthcheck, host_config=settings, name=NAME)
    api.start(NAME)
    started = time.monotonic()
    address = api.inspect_container(NAME)["NetworkSettings"]["Networks"][settings["NetworkMode"]]["IPAddress"]
    while not is_ready(address):
        assert time.monotonic() < started + 60, "the container was not ready within 60 s"
        time.sleep(0.02)
    ready = time.monotonic()
    time.sleep(2)
    idle = time.monotonic()
    api.stop(NAME, timeout=30)
    print(json.dumps({"start": started - begin, "ready": ready - started, "stop": time.monotonic() - idle}))
finally:
    with suppress(docker.errors.NotFound):
        api.remove_container(NAME, force=True)
