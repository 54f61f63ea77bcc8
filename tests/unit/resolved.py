"""What Compose makes of a service as it is written, as far as the rules of this collection look at it: a stand-in for tests.

That the real one does the same is shown in tests/acceptance, on hosts.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any

# Taken over into other keys, so that nothing of them is left.
_GONE = ("env_file", "label_file", "extends")
_BOOLEAN, _YES = ("privileged", "read_only"), ("true", "yes", "1", "on", "y", "t")
_NAMED = ("networks", "volumes")


def resolved(project: str, directory: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """``directory``: where relative paths begin."""
    services = {name: _service(one, directory) for name, one in model["services"].items()}
    found: dict[str, Any] = {"name": project, **model, "services": services}
    for kind in _NAMED:
        used = {"default": None, **(model.get(kind) or {})} if kind == "networks" else model.get(kind) or {}
        found[kind] = {key: {"name": f"{project}_{key}", **(one or {})} for key, one in used.items()}
    for kind in ("configs", "secrets"):
        found[kind] = {
            key: {"name": f"{project}_{key}", **one, **({"file": _path(one["file"], directory)} if "file" in one else {})}
            for key, one in (model.get(kind) or {}).items()
        }
    return found


def written(directory: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """With --no-interpolate: only what the rules look at."""
    found: dict[str, Any] = {"services": {}}
    for name, service in model["services"].items():
        own = found["services"].setdefault(name, {})
        if "env_file" in service:
            own["env_file"] = [
                {"path": _path(one["path"], directory), "required": one.get("required", True)}
                for one in (entry if isinstance(entry, dict) else {"path": entry} for entry in _list(service["env_file"]))
            ]
        if "label_file" in service:
            own["label_file"] = [_path(one, directory) for one in _list(service["label_file"])]
    return found


def _service(service: Mapping[str, Any], directory: str) -> dict[str, Any]:
    found = {key: value for key, value in service.items() if key not in _GONE}
    if "volumes" in found:
        found["volumes"] = [_mount(one, directory) for one in found["volumes"]]
    if "ports" in found:
        found["ports"] = [_port(one) for one in found["ports"]]
    for kind in ("configs", "secrets"):
        if kind in found:
            found[kind] = [one if isinstance(one, dict) else {"source": one} for one in found[kind]]
    if "network_mode" not in found:
        networks = found.get("networks") or ["default"]
        found["networks"] = networks if isinstance(networks, dict) else dict.fromkeys(networks)
    for key in ("sysctls", "labels", "environment"):
        if isinstance(found.get(key), list):
            found[key] = {one.partition("=")[0]: one.partition("=")[2] for one in found[key]}
    return {**found, **{key: value in _YES for key, value in found.items() if key in _BOOLEAN and isinstance(value, str)}}


def _mount(entry: Any, directory: str) -> dict[str, Any]:
    if isinstance(entry, dict):
        return {**entry, "source": _path(entry["source"], directory)} if entry.get("type") == "bind" else entry
    source, _, rest = entry.partition(":")
    target, _, options = rest.partition(":")
    if not rest:
        return {"type": "volume", "target": source, "volume": {}}
    words = options.split(",")
    read_only = {"read_only": True} if "ro" in words else {}
    if not source.startswith(("/", ".", "~")):
        return {"type": "volume", "source": source, "target": target, "volume": {}, **read_only}
    bind = {"create_host_path": True, **({"selinux": "z"} if "z" in words else {})}
    return {"type": "bind", "source": _path(source, directory), "target": target, "bind": bind, **read_only}


def _port(entry: Any) -> dict[str, Any]:
    if isinstance(entry, dict):
        return {"mode": "ingress", "protocol": "tcp", **entry}
    rest, _, target = str(entry).rpartition(":")
    address, _, published = rest.rpartition(":")
    found = {"mode": "ingress", "target": int(target.partition("/")[0]), "protocol": "tcp"}
    return {**found, **({"published": published} if published else {}), **({"host_ip": address} if address else {})}


def _path(path: str, directory: str) -> str:
    if path.startswith("~"):
        return "/root" + path[1:]
    # An absolute path stays as it is written.
    return path if path.startswith("/") else posixpath.normpath(f"{directory}/{path}")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
