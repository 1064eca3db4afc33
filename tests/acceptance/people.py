"""Those who use a sandbox: in a browser of their own, logged in at the companion."""

from __future__ import annotations

import json
from typing import Any

import psycopg
from playwright.async_api import Browser, BrowserContext

from tests.acceptance.sandboxes import Sandbox
from tests.integration.services.live import ask

MEI = "mei@example.com"
DESKTOP = {"width": 1280, "height": 800}


async def entered(browser: Browser, sandbox: Sandbox, email: str, **how: Any) -> BrowserContext:  # noqa: ANN401  # what a browser takes
    """A browser in which somebody has logged in to Immich through the companion."""
    url = sandbox.known["companion"]
    body = json.dumps({"email": email, "password": sandbox.known["password"]})
    headers = {"content-type": "application/json"}
    reply = await ask(f"{url}api/auth/login", "POST", headers=headers, data=body)
    assert reply.status == 201, reply.body
    context = await browser.new_context(**{"viewport": DESKTOP, "locale": "en-US"} | how)
    token = {"name": "immich_access_token", "value": reply.json["accessToken"], "url": url}
    await context.add_cookies([token])  # type: ignore[list-item]  # a cookie need not have more
    return context


def statement(sandbox: Sandbox, sql: str) -> None:
    """Run a statement in the sandbox's database."""
    with psycopg.connect(sandbox.known["database"], autocommit=True) as connection:
        connection.execute(sql)
