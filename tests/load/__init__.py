"""Open-loop load that retries nothing, so that whatever a deploy drops is seen here.

with Load(Settings(url="https://staging.morpheus.app", connect="127.0.0.1:8443", ca=".sandbox/ca.pem")) as load:
    deploy("1.1.0")
    load.wait_for_release("1.1.0", seconds=60)
assert load.report.is_clean, load.report.failures
"""

from tests.load.process import Load, LoadError
from tests.load.report import Failure, ReleaseSeen, Report, StreamReport
from tests.load.settings import Settings

__all__ = ["Failure", "Load", "LoadError", "ReleaseSeen", "Report", "Settings", "StreamReport"]
