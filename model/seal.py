"""A JSON file that holds its own SHA-256, so that a change of any byte shows."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SEAL = "manifest_sha256"
_SEALED = re.compile(rb'"manifest_sha256": "([0-9a-f]{64})"')
_ZEROS = "0" * 64


class SealError(Exception):
    """The file can't be read, or isn't as it was written; named without its directory."""


def write_sealed(path: Path, values: Mapping[str, Any]) -> None:
    """Writes `values` atomically, with the digest of what is written inside."""
    unsealed = json.dumps({**values, _SEAL: _ZEROS}, ensure_ascii=False, indent=2, sort_keys=True)
    seal = hashlib.sha256(unsealed.encode()).hexdigest()
    sealed = unsealed.replace(f'"{_SEAL}": "{_ZEROS}"', f'"{_SEAL}": "{seal}"')
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` wrote.

    Raises:
        SealError: the file can't be read, or any byte of it changed since it was written.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SealError(f"{path.name} can't be read: {error.strerror}") from error
    _check_seal(path.name, raw)
    values: dict[str, Any] = json.loads(raw)  # sealed, hence the JSON that write_sealed wrote
    del values[_SEAL]
    return values


def _check_seal(name: str, raw: bytes) -> None:
    seals = list(_SEALED.finditer(raw))
    if len(seals) != 1:
        raise SealError(f"{name} must hold one {_SEAL}; found {len(seals)}")
    start, end = seals[0].span(1)
    unsealed = raw[:start] + _ZEROS.encode() + raw[end:]
    if hashlib.sha256(unsealed).hexdigest().encode() != seals[0][1]:
        raise SealError(f"{name} was changed: its {_SEAL} doesn't match")
