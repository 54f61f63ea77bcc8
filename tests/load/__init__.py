"""Open-loop load that retries nothing, so that whatever a deploy drops is seen here."""

from tests.load.process import Load, LoadError
from tests.load.report import Failure, ReleaseSeen, Report, StreamReport
from tests.load.settings import Settings

__all__ = ["Failure", "Load", "LoadError", "ReleaseSeen", "Report", "Settings", "StreamReport"]
