"""The docs pages without a browser; tests/browser looks at them with one."""

from __future__ import annotations

import re

import httpx
import pytest

from service.documentation.pages import FILES, REDOC_LOGO


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_names_only_files_of_this_host(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(names) >= 2
    for name in names:
        assert (await client.get(name)).status_code == 200


async def test_the_files_may_be_kept_by_a_browser(client: httpx.AsyncClient) -> None:
    path = "/static/docs/swagger-ui.css"
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["x-content-type-options"] == "nosniff"
    again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


async def test_redoc_shows_a_picture_of_this_host(client: httpx.AsyncClient) -> None:
    assert REDOC_LOGO in (FILES / "redoc.standalone.js").read_text(encoding="utf-8")
    script = await client.get("/static/docs/redoc.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "cdn." not in script.text
