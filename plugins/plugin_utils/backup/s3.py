# Copyright (c) The morpheus.deploy authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in a bucket with S3's interface, asked from the controller. Hosts are given URLs, and never a key."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.morpheus.deploy.plugins.module_utils.backup import record
from ansible_collections.morpheus.deploy.plugins.module_utils.backup.record import ARCHIVE, RECORD, Record
from ansible_collections.morpheus.deploy.plugins.module_utils.base.errors import DeployError

# Of a record, which has a line for each table.
_LARGEST = 32 << 20
NEEDED = "boto3 is not installed for the Python of Ansible on the controller; install it with: python3 -m pip install boto3"


@dataclass(frozen=True)
class Bucket:
    """``client``: boto3's, for S3. ``prefix``: ends with a slash, or is empty."""

    client: Any
    name: str
    prefix: str

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Bucket:
        try:
            boto3, config = importlib.import_module("boto3"), importlib.import_module("botocore.config")
        except ImportError:
            raise DeployError(NEEDED) from None
        client = boto3.client(
            "s3",
            aws_access_key_id=given["access_key"],
            aws_secret_access_key=given["secret_key"],
            region_name=given.get("region") or "us-east-1",
            endpoint_url=given.get("endpoint") or None,
            verify=given.get("ca_path") or None,
            config=config.Config(signature_version="s3v4", retries={"max_attempts": 3}, connect_timeout=10, read_timeout=60),
        )
        prefix = str(given.get("prefix") or "").strip("/")
        return cls(client, str(given["bucket"]), f"{prefix}/" if prefix else "")

    def records(self, now: float) -> list[Record]:
        """Oldest first. What lies below the prefix, one deeper, is of another environment."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=self.prefix, Delimiter="/")
        keys = [str(one["Key"]) for page in pages for one in page.get("Contents") or []]
        return record.listed(((key, self._text(key)) for key in keys if key.endswith(RECORD)), now)

    def remove(self, names: list[str]) -> None:
        """The record first: then it is no backup any more."""
        for name in names:
            for end in (RECORD, ARCHIVE):
                self.client.delete_object(Bucket=self.name, Key=f"{self.prefix}{name}{end}")

    def urls(self, name: str, seconds: int) -> dict[str, str]:
        """As modules of backups take them."""
        wanted = {
            "put_archive": ("put_object", ARCHIVE),
            "put_record": ("put_object", RECORD),
            "get_archive": ("get_object", ARCHIVE),
        }
        return {
            key: str(
                self.client.generate_presigned_url(
                    verb, Params={"Bucket": self.name, "Key": f"{self.prefix}{name}{end}"}, ExpiresIn=seconds
                )
            )
            for key, (verb, end) in wanted.items()
        }

    def _text(self, key: str) -> str:
        found = self.client.get_object(Bucket=self.name, Key=key)["Body"].read(_LARGEST + 1)
        if len(found) > _LARGEST:
            raise DeployError(
                f"{key} is longer than {_LARGEST >> 20} MiB, as no record is; remove it, and look who may write there"
            )
        return str(found.decode())


def act(given: Mapping[str, Any], now: float, *, check_mode: bool) -> dict[str, Any]:
    """What the module ``backup_store`` returns, of a bucket."""
    bucket = Bucket.of(given["s3"])
    state = given.get("state") or "listed"
    try:
        if state == "signed":
            return {"changed": False, "urls": bucket.urls(str(given["name"]), int(given.get("seconds") or 21600))}
        records = bucket.records(now)
        result: dict[str, Any] = {"changed": False}
        if state == "pruned":
            keep = {"keep_days": float(given.get("keep_days", 14)), "keep_at_least": int(given.get("keep_at_least", 3))}
            names = [one.name for one in record.expired(records, now, **keep)]  # type: ignore[arg-type]
            result = {"changed": bool(names), "removed": names}
            if not check_mode:
                bucket.remove(names)
                records = [one for one in records if one.name not in names]
    except DeployError:
        raise
    except Exception as exc:
        # Of boto3 and botocore, whose errors have no base in common; none of them quotes a key.
        raise DeployError(f"backup.s3: the bucket {bucket.name} could not be used: {exc}") from None
    return {**result, "records": [json.loads(one.text()) for one in records]}
