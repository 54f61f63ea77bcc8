"""What programs beside the gateway share, which are run in its container: they ask the books, and print JSON."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import DictRow, dict_row

from .books import OPTIONS
from .config import Config


@contextmanager
def asked_once(otherwise: str = ".") -> Iterator[psycopg.Connection[DictRow]]:
    """The books. `otherwise` ends the sentence that says that they cannot be reached."""
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row, **OPTIONS) as connection:
            yield connection
    except psycopg.Error as error:
        raise SystemExit(f"The books cannot be reached ({type(error).__name__}){otherwise}") from None


def tell(config: Config, **found: Any) -> None:
    print(json.dumps({"environment": config.environment, "tier": config.tier, **found}, default=str))
