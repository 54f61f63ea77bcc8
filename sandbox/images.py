"""The base image, from a registry or from Debian packages, and the images that are built on it."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from sandbox.engine import install
from sandbox.shell import run, succeeds
from sandbox.world import BASE_IMAGE, BASE_LABEL, BUILT_ON, CONTENT_LABEL, LABEL

_IMAGES = Path(__file__).resolve().parent / "images"
_BASE_FILES = _IMAGES / "base"
_PULL_SECONDS = 60
_REFUSAL_SECONDS = 5
_SUITES = (
    "deb http://deb.debian.org/debian trixie main",
    "deb http://deb.debian.org/debian trixie-updates main",
    "deb http://deb.debian.org/debian-security trixie-security main",
)
_NO_DOCUMENTATION = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
_RECIPE = (
    *("--variant=minbase", "--dpkgopt=force-unsafe-io"),
    *(f"--dpkgopt=path-exclude={path}" for path in _NO_DOCUMENTATION),
    # The settings turn apt's binary caches off, so that apt's own cleaning no longer sees the 85 MB made before them.
    '--customize-hook=rm -f "$1"/var/cache/apt/*.bin',
)


def ensure_base() -> str:
    """debian:trixie-slim is here: found, pulled when a registry answers, else made from Debian packages."""
    content = content_hash(_BASE_FILES, *_RECIPE, *_SUITES)
    if image_id(BASE_IMAGE):
        made_here = image_label(BASE_IMAGE, BASE_LABEL.partition("=")[0])
        if not made_here or image_label(BASE_IMAGE, CONTENT_LABEL) == content:
            return "reused"
    elif _registry_answers() and succeeds("docker", "pull", "--quiet", BASE_IMAGE, timeout_seconds=_PULL_SECONDS):
        return "pulled"
    _make_base(content)
    return "made with mmdebstrap"


def ensure_image(name: str, directory: str, **arguments: str) -> str:
    """The image is built from its directory, on its base, both as they are now. ``arguments``: of its Dockerfile."""
    if image_id(name) and not image_label(name, LABEL.partition("=")[0]):
        # Not made here, so it is the real thing, with the interface that ours only imitates.
        return "reused, the official image"
    context = _IMAGES / directory
    content = content_hash(context, image_id(BUILT_ON.get(name, BASE_IMAGE)), *arguments.values())
    if image_label(name, CONTENT_LABEL) == content:
        return "reused"
    build(name, context, content, **arguments)
    return "built"


def ensure_public(name: str, directory: str) -> str:
    """The image that is here, or the official one where a registry answers, or else what stands in for it."""
    if not image_id(name) and _registry_answers() and succeeds("docker", "pull", "--quiet", name, timeout_seconds=_PULL_SECONDS):
        return "pulled"
    return ensure_image(name, directory)


def build(name: str, context: Path, content: str, **arguments: str) -> None:
    """Build one image, labelled with the hash of what it was made of."""
    options = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    run(
        *("docker", "build", "--quiet", "--tag", name, "--label", LABEL, "--label", f"{CONTENT_LABEL}={content}"),
        *options,
        context,
        what=f"Building the image {name}",
    )


def remove_outdated() -> str:
    """Images that lost their name to a newer build are gone; the containers that ran them are recreated by now."""
    filters = ("--filter", f"label={LABEL}", "--filter", "dangling=true")
    found = run("docker", "images", "--quiet", *filters, what="Listing outdated images").split()
    if found:
        run("docker", "image", "prune", "--force", "--filter", f"label={LABEL}", what="Removing outdated images")
    return f"{len(found)} removed" if found else "none"


def content_hash(directory: Path, *ingredients: str) -> str:
    """Changes when a file below the directory or one of the other ingredients does."""
    digest = hashlib.sha256("\0".join(ingredients).encode())
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"\0{path.relative_to(directory)}\0{path.stat().st_mode:o}\0{content}".encode())
    return digest.hexdigest()[:16]


def image_id(name: str) -> str:
    """The id of a local image, or nothing."""
    return run("docker", "images", "--quiet", "--no-trunc", name, what=f"Looking for the image {name}").strip()


def image_label(name: str, label: str) -> str:
    """One label of a local image, empty when there is no such image or label."""
    if not image_id(name):
        return ""
    template = f'{{{{index .Config.Labels "{label}"}}}}'
    return run("docker", "image", "inspect", "--format", template, name, what=f"Inspecting the image {name}").strip()


def _registry_answers() -> bool:
    """A machine without the way out must lose seconds here, not the minutes of a pull that hangs."""
    return succeeds("docker", "manifest", "inspect", BASE_IMAGE, timeout_seconds=_REFUSAL_SECONDS)


def _make_base(content: str) -> None:
    if not succeeds("mmdebstrap", "--version"):
        install("mmdebstrap", "debian-archive-keyring", what="Installing mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="sandbox-base-") as directory:
        archive = Path(directory) / "base.tar"
        files = f'--customize-hook=cp -r {_BASE_FILES}/. "$1"/'
        run(
            *("mmdebstrap", files, *_RECIPE, "trixie", str(archive), *_SUITES),
            what=f"Making {BASE_IMAGE} from Debian packages",
            hint="the Debian mirror must answer, and mmdebstrap needs root or user namespaces",
        )
        labels = (f"LABEL {BASE_LABEL} {CONTENT_LABEL}={content}", 'CMD ["bash"]')
        changes = [word for label in labels for word in ("--change", label)]
        outdated = image_id(BASE_IMAGE)
        run("docker", "import", *changes, archive, BASE_IMAGE, what=f"Importing {BASE_IMAGE}")
        if outdated:
            # Refused while a container of someone else runs it; then it is theirs to keep.
            succeeds("docker", "image", "rm", outdated)
