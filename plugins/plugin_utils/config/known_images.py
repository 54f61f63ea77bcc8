# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What images that many use need, so that they start with the hardening that every service is given. Pure.

Read in what their makers publish: which user they begin as, what they change before they become another, and where they write.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ansible_collections.morpheus.deploy.plugins.module_utils.base import image_name

# To give files to a user and to become that user, as entrypoints do that begin as root.
CHANGE_USER = ("CHOWN", "SETGID", "SETUID")
OWN_DATA = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID")


@dataclass(frozen=True)
class Needs:
    """``capabilities``: for cap_add; ``temporary``: directories for tmpfs, /tmp among them; ``data``: where a volume belongs;
    ``ports``: what it listens on; ``variables``: how those begin that it reads, empty where any may be read.
    """

    capabilities: Sequence[str] = ()
    temporary: Sequence[str] = ()
    data: str = ""
    ports: Sequence[int] = ()
    why: str = ""
    read: str = ""
    variables: Sequence[str] = ()


_POSTGRES = Needs(
    OWN_DATA,
    ("/tmp", "/var/run/postgresql"),
    "/var/lib/postgresql/data",
    (5432,),
    "begins as root, gives its data to postgres and becomes postgres; its socket lies in /var/run/postgresql",
    "docker-library/postgres, docker-entrypoint.sh",
    ("POSTGRES_DB", "POSTGRES_HOST_AUTH_METHOD", "POSTGRES_INITDB_", "POSTGRES_PASSWORD", "POSTGRES_USER", "PGDATA"),
)
_MARIADB = Needs(
    OWN_DATA,
    ("/tmp", "/run/mysqld"),
    "/var/lib/mysql",
    (3306,),
    "begins as root, gives data and socket directory to mysql and becomes mysql",
    "MariaDB/mariadb-docker, docker-entrypoint.sh",
    ("MARIADB_", "MYSQL_"),
)
_REDIS = Needs(
    OWN_DATA,
    ("/tmp",),
    "/data",
    (6379,),
    "begins as root, gives /data to its user, also what only that user may enter (appendonlydir), and becomes that user",
    "docker-library/redis 7.4, docker-entrypoint.sh",
)
# From 18 on its data lie in a directory below, called by the version.
NEW_POSTGRES_DATA = "/var/lib/postgresql"
# By the last part of an image's name.
IMAGES: Mapping[str, Needs] = {
    "postgres": _POSTGRES,
    "postgis": replace(_POSTGRES, read="postgis/docker-postgis, Dockerfile.template: it is made from postgres"),
    "pgvector": replace(_POSTGRES, read="pgvector/pgvector, Dockerfile: it is made from postgres"),
    "redis": _REDIS,
    "valkey": replace(_REDIS, read="valkey-io/valkey-container, docker-entrypoint.sh"),
    "nginx": Needs(
        CHANGE_USER,
        ("/tmp", "/run", "/var/cache/nginx"),
        "",
        (80,),
        "begins as root, its workers become nginx; writes its pid and what it buffers",
        "nginxinc/docker-nginx, Dockerfile-debian.template",
    ),
    "mariadb": _MARIADB,
    "mysql": Needs(
        OWN_DATA,
        ("/tmp", "/var/run/mysqld", "/var/lib/mysql-files"),
        "/var/lib/mysql",
        (3306, 33060),
        "begins as root, gives data and socket directory to mysql and becomes mysql; it writes to /var/lib/mysql-files, too",
        "docker-library/mysql, docker-entrypoint.sh, Dockerfile.oracle",
        ("MYSQL_",),
    ),
    "rabbitmq": Needs(
        OWN_DATA,
        ("/tmp", "/var/log/rabbitmq"),
        "/var/lib/rabbitmq",
        (5672, 15672),
        "begins as root, gives its data to rabbitmq and becomes rabbitmq; its data are called by the container's host name, so "
        "give it a hostname",
        "docker-library/rabbitmq, docker-entrypoint.sh",
    ),
    "mongo": Needs(
        OWN_DATA,
        ("/tmp",),
        "/data/db",
        (27017,),
        "begins as root, gives its data to mongodb and becomes mongodb",
        "docker-library/mongo, docker-entrypoint.sh",
        ("MONGO_",),
    ),
    "memcached": Needs(
        (), ("/tmp",), "", (11211,), "runs as a user of its own and writes nothing", "docker-library/memcached, Dockerfile"
    ),
}


def needs(image: str) -> Needs | None:
    """What an image needs that is known by its name; None for any other one."""
    parts = image_name.parse(image)
    found = IMAGES.get(parts.name)
    return replace(found, data=NEW_POSTGRES_DATA) if found and found.data == _POSTGRES.data and _is_new(parts.tag) else found


def _is_new(tag: str) -> bool:
    """Whether a tag of postgres (17.5-alpine, 17-3.5, pg17) means 18 or later; without a number it is the newest."""
    major = re.search(r"pg(\d+)", tag) or re.match(r"(\d+)", tag)
    return not major or int(major[1]) >= 18


def table() -> list[str]:
    """As docs/hardening.md has it."""
    rows = ["| image | lines for its service | a volume at | because | read in |", "|---|---|---|---|---|"]
    for name, found in sorted(IMAGES.items()):
        lines = [f"cap_add: [{', '.join(found.capabilities)}]"] if found.capabilities else []
        lines += [f"tmpfs: [{', '.join(found.temporary)}]"]
        shown = ", ".join(f"`{line}`" for line in lines)
        data = f"`{found.data}`" if found.data else ""
        data += f", from 18 on `{NEW_POSTGRES_DATA}`" if found.data == _POSTGRES.data else ""
        rows.append(f"| `{name}` | {shown} | {data} | {found.why} | {found.read} |")
    return rows
