"""What this process is: baked into the image at build time, or given by the environment."""

import os
import secrets
import socket

RELEASE = os.environ.get("RELEASE", "0.0.0-dev")
FAULT = os.environ.get("FAULT", "")
IDENTITY = {
    "version": "1.0.0-other" if FAULT == "lies" else RELEASE,
    "git_sha": os.environ.get("GIT_SHA", "unknown"),
    "environment": os.environ.get("APP_ENVIRONMENT", "development"),
    "replica": socket.gethostname(),
    "boot_id": secrets.token_hex(8),
}
