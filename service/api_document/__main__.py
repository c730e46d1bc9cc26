"""`python -m service.api_document FILE`: the API's document as it is committed.

Refuses to overwrite a document whose clients the new one would break, unless the version says so.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from service.api_document.compatibility import breaking_changes, may_break
from service.app import create_app
from service.settings import Settings


def current_document() -> dict[str, Any]:
    """The document that the service would serve, without a model."""
    return create_app(Settings.model_construct(), _no_model).openapi()


def objections(committed: dict[str, Any], current: dict[str, Any]) -> list[str]:
    """The breaking changes that the version doesn't announce."""
    return [] if may_break(committed, current) else breaking_changes(committed, current)


def rendered(document: dict[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the document, or says what it would break."""
    (name,) = arguments
    path, current = Path(name), current_document()
    if path.is_file():
        found = objections(json.loads(path.read_text(encoding="utf-8")), current)
        if found:
            lines = ["This breaks clients; raise service.VERSION, or undo:", *found]
            sys.stderr.write("\n  ".join(lines) + "\n")
            return 1
    path.write_text(rendered(current), encoding="utf-8")
    return 0


async def _no_model(_: Settings) -> NoReturn:
    raise NotImplementedError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
