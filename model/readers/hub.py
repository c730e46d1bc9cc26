"""Data sets of the Hugging Face hub, and directories of the same form; needs `datasets`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from model.readers.files import OPTIONAL, REQUIRED, first_line
from model.readers.rows import DataError, Row

COLUMNS = (*REQUIRED, *OPTIONAL)
OPTIONS = (*COLUMNS, "config", "revision")


@dataclass(frozen=True, kw_only=True)
class HubSet:
    """One split of a data set: `OWNER/NAME[:SPLIT][?text=COLUMN&summary=COLUMN…]`.

    `options` may also name the columns of `style` and `source`, the data set's `config`, and a
    `revision` to pin it to.
    """

    repository: str
    split: str = "train"
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, address: str) -> HubSet:
        """Reads what follows `hf:`.

        Raises:
            DataError: there is no name, or an option is not known.
        """
        place, _, query = address.partition("?")
        repository, _, split = place.partition(":")
        try:
            options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
        except ValueError as error:
            raise DataError(f"hf:{address}: options must be NAME=VALUE, joined by &") from error
        if not repository:
            raise DataError(f"hf:{address}: a data set's name must follow hf:")
        for name, value in options.items():
            if name not in OPTIONS or not value:
                raise DataError(
                    f"hf:{address}: an option must have a value and be one of "
                    f"{', '.join(OPTIONS)}, got {name!r}"
                )
        return cls(repository=repository, split=split or "train", options=options)

    @property
    def name(self) -> str:
        """The address, of a directory only its last part."""
        place = Path(self.repository)
        return f"hf:{place.name if place.is_dir() else self.repository}:{self.split}"

    @property
    def origin(self) -> str:
        """The name without its owner."""
        return Path(self.repository).name

    def rows(self) -> Iterator[Row]:
        """Each row, by its number from 1; the library keeps them in files, not in memory."""
        columns, loaded = self._load()
        for number, values in enumerate(loaded, 1):
            row = {key: values[column] for key, column in columns.items()}
            yield Row(f"hf:{self.repository}:{self.split}:{number}", row)

    def sha256(self) -> str:
        """Digest of the rows, each as JSON on a line: a hub has no single file to hash."""
        digest = hashlib.sha256()
        for row in self.rows():
            digest.update(json.dumps(row.values, sort_keys=True, default=str).encode() + b"\n")
        return digest.hexdigest()

    def _load(self) -> tuple[dict[str, str], Any]:
        place = f"hf:{self.repository}:{self.split}"
        try:
            from datasets import load_dataset
            from datasets.exceptions import DatasetsError
        except ImportError as error:
            raise DataError(
                f"{place}: read with the library datasets, which is missing: pip install datasets"
            ) from error
        try:
            loaded = load_dataset(
                self.repository,
                self.options.get("config"),
                split=self.split,
                revision=self.options.get("revision"),
            )
        except (DatasetsError, OSError, ValueError) as error:
            raise DataError(f"{place}: can't be read: {first_line(error)}") from error
        columns = self._columns(place, loaded.column_names)
        return columns, loaded.select_columns(sorted(set(columns.values())))

    def _columns(self, place: str, names: list[str]) -> dict[str, str]:
        """Column by key: what the options say, else the key's own name where there is one."""
        wanted = {key: self.options.get(key, key) for key in COLUMNS}
        for key, column in wanted.items():
            if column not in names and (key in REQUIRED or key in self.options):
                raise DataError(
                    f"{place}: has no column {column!r}, it has {', '.join(names)}; "
                    f"name one in the address: ?{key}=COLUMN"
                )
        return {key: column for key, column in wanted.items() if column in names}
