"""Makes calls by the vendor's client of the storage API, in the environment that has it: URL, key, calls as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

from storage3 import SyncStorageClient
from storage3.exceptions import StorageApiError


def call(client: Any, method: str, bucket: str = "", *arguments: Any) -> Any:
    if method == "list":
        return [
            {"name": one.name, "public": one.public, "limit": one.file_size_limit, "types": one.allowed_mime_types}
            for one in client.list_buckets()
        ]
    if method == "create":
        return bool(client.create_bucket(bucket, options=arguments[0]))
    if method == "update":
        return bool(client.update_bucket(bucket, arguments[0]))
    objects = client.from_(bucket)
    if method == "objects":
        return [one["name"] for one in objects.list()]
    if method == "download":
        return objects.download(arguments[0]).decode()
    content = b"x" * arguments[2] if len(arguments) > 2 else b"a picture"
    return bool(objects.upload(arguments[0], content, {"content-type": arguments[1]}))


def main() -> None:
    url, key, calls = sys.argv[1:]
    client, found = SyncStorageClient(url, {"apikey": key, "Authorization": f"Bearer {key}"}), []
    for one in json.loads(calls):
        try:
            found.append(call(client, *one))
        except StorageApiError as error:
            found.append(str(error))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
