"""`/` and `/static/web`: the page that shows the attention, and the element it is made of.

Static files as they are in `service/web/`, no build step. The page loads nothing from another host,
runs no inline script and no inline style, and cannot be framed; its policy says so.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

FILES = Path(__file__).parents[1] / "web"
STATIC = "/static/web"
PAGE = "index.html"

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # What the browser would run as a script cannot be made from a string at all.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)

HEADERS = {
    # A browser may keep the files, if it asks each time whether they are still the same.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

# Not guessed: what a machine's own tables say of ".js" differs.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def add_web_page(app: FastAPI) -> None:
    """Adds the page at `/` and the files that it loads."""
    files = _WebFiles(directory=FILES)

    async def page(request: Request) -> Response:
        return await files.get_response(PAGE, request.scope)

    app.add_route("/", page, include_in_schema=False)
    app.mount(STATIC, files, name="web-files")


class _WebFiles(StaticFiles):
    """The files with their headers; GET and HEAD, and 304 for what has not changed."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: MutableMapping[str, Any],
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(HEADERS)
        media_type = MEDIA_TYPES.get(Path(full_path).suffix)
        if media_type and "content-type" in response.headers:  # a 304 has none
            response.headers["Content-Type"] = media_type
        return response
