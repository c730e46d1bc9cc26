"""The versions of an artifact that lie in a directory. Reads names and times, not contents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from model import artifact
from service.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version, as it lies there now.

    Attributes:
        directory: The artifact.
        fingerprint: Another one as soon as a file is added, removed or written to.
    """

    directory: Path
    fingerprint: str


def artifact_directory(configured: Path) -> Path:
    """The artifact itself, or the highest version in a directory of artifacts.

    Raises:
        ArtifactError: there is none.
    """
    if (configured / artifact.MANIFEST).is_file():
        return configured
    return artifact.latest_version(configured)


def pinned(settings: Settings) -> Settings:
    """The settings with one version: a worker that is replaced must not find a newer one.

    Raises:
        ArtifactError: there is none.
    """
    return settings.model_copy(update={"artifact": artifact_directory(settings.artifact)})


def versions_under(configured: Path) -> list[Version]:
    """All versions that have a manifest, which is written last; the highest number first."""
    if (configured / artifact.MANIFEST).is_file():
        directories = [configured]
    else:
        found = (path.parent for path in configured.glob(f"*/{artifact.MANIFEST}"))
        numbered = [directory for directory in found if directory.name.isdecimal()]
        directories = sorted(numbered, key=lambda directory: int(directory.name), reverse=True)
    versions = []
    for directory in directories:
        fingerprint = _fingerprint(directory)
        if fingerprint is not None:
            versions.append(Version(directory=directory, fingerprint=fingerprint))
    return versions


def _fingerprint(directory: Path) -> str | None:
    """None where the directory vanishes while it is read."""
    try:
        files = [
            (path.relative_to(directory).as_posix(), status.st_size, status.st_mtime_ns)
            for path in directory.rglob("*")
            if path.is_file()
            for status in [path.stat()]
        ]
    except OSError:
        return None
    return hashlib.sha256(repr(sorted(files)).encode()).hexdigest()
