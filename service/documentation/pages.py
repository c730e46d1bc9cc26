"""`/docs` and `/redoc`: the API's document as pages that load nothing from another host.

The scripts come with fastapi-offline. A content security policy holds the pages to this host,
whatever a later version of those scripts would like to load.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from importlib.resources import files
from os import PathLike, stat_result
from pathlib import Path
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

STATIC = "/static/docs"
FILES = Path(str(files("fastapi_offline"))) / "static"

REDOC_LOGO = "https://cdn.redoc.ly/redoc/logo-mini.svg"
"""What ReDoc shows in its corner, and all that it would load from another host."""

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline'",  # FastAPI's pages start their scripts inline
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src blob:",  # ReDoc's search
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
JAVASCRIPT = "text/javascript"

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_docs_pages(app: FastAPI) -> None:
    """Adds both pages and the files that they load."""
    app.add_route(f"{STATIC}/redoc.js", _redoc_script, include_in_schema=False)
    app.mount(STATIC, _CachedFiles(directory=FILES), name="docs-files")
    app.add_route("/docs", _swagger_ui, include_in_schema=False)
    app.add_route("/redoc", _redoc, include_in_schema=False)


async def _swagger_ui(request: Request) -> Response:
    return _guarded(
        get_swagger_ui_html(
            openapi_url=request.app.openapi_url,
            title=request.app.title,
            swagger_js_url=f"{STATIC}/swagger-ui-bundle.js",
            swagger_css_url=f"{STATIC}/swagger-ui.css",
            swagger_favicon_url=f"{STATIC}/favicon.png",
        )
    )


async def _redoc(request: Request) -> Response:
    return _guarded(
        get_redoc_html(
            openapi_url=request.app.openapi_url,
            title=request.app.title,
            redoc_js_url=f"{STATIC}/redoc.js",
            redoc_favicon_url=f"{STATIC}/favicon.png",
            with_google_fonts=False,
        )
    )


async def _redoc_script(_: Request) -> Response:
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(await to_thread.run_sync(_script), headers=headers, media_type=JAVASCRIPT)


@cache
def _script() -> str:
    script = (FILES / "redoc.standalone.js").read_text(encoding="utf-8")
    return script.replace(REDOC_LOGO, f"{STATIC}/favicon.png")


def _guarded(page: HTMLResponse) -> Response:
    page.headers.update(HEADERS)
    return page


class _CachedFiles(StaticFiles):
    """Files that a browser may keep, if it asks each time whether they are still the same."""

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: MutableMapping[str, Any],
        status_code: int = 200,
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return response
