"""The page's files without a browser; tests/browser looks at the page with one."""

from __future__ import annotations

import gzip
import re

import httpx
import pytest

from service.routes.web import FILES, POLICY

NAMES = sorted(path.name for path in FILES.iterdir())
SCRIPTS = [name for name in NAMES if name.endswith(".js")]
MOST_SCRIPT_BYTES = 30_000
"""Of all scripts together, gzipped."""


def source(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


async def test_the_page_is_at_the_root_and_names_only_files_that_are_there(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    names = re.findall(r'(?:src|href)="(static/[^"]+)"', page.text)
    assert len(names) >= 4
    for name in names:
        assert (await client.get(f"/{name}")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/static/web/page.js", "/static/web/page.css"])
async def test_answers_have_a_strict_policy_and_may_be_kept(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert other.content == answer.content


@pytest.mark.parametrize("path", ["/", "/static/web/attention-view.js"])
async def test_head_has_the_headers_of_get(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-security-policy"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("name", NAMES)
async def test_every_file_has_its_media_type(client: httpx.AsyncClient, name: str) -> None:
    expected = {
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
        "html": "text/html; charset=utf-8",
        "svg": "image/svg+xml",
    }
    answer = await client.get(f"/static/web/{name}")
    assert answer.headers["content-type"] == expected[name.rsplit(".", 1)[1]]


@pytest.mark.parametrize("path", ["/static/web/", "/static/web/../app.py", "/static/web/none.js"])
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_the_page_takes_no_other_method(client: httpx.AsyncClient) -> None:
    assert (await client.post("/", json={})).status_code == 405


def test_the_scripts_are_small() -> None:
    together = b"".join((FILES / name).read_bytes() for name in SCRIPTS)
    assert len(gzip.compress(together, mtime=0)) <= MOST_SCRIPT_BYTES


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_import_only_each_other(name: str) -> None:
    imports = re.findall(r'^(?:import|export) .*?"(.+?)"', source(name), flags=re.M | re.S)
    assert all((FILES / imported).is_file() for imported in imports if imported.startswith("./"))
    assert all(word.startswith("./") for word in re.findall(r'from "(.+?)"', source(name)))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_never_parse_markup_or_code(name: str) -> None:
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|"
        r"createContextualFragment|DOMParser|setTimeout\(\"",
        source(name),
    )


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(".svg")])
def test_no_file_names_another_host(name: str) -> None:
    named = set(re.findall(r"https?://[\w.]+", source(name)))
    assert named <= {"http://www.w3.org"}  # a namespace, never asked for


@pytest.mark.parametrize("name", NAMES)
def test_nothing_says_because(name: str) -> None:
    assert "because" not in source(name).lower()
