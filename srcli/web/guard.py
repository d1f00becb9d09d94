"""What of Gradio's server visitors may ask for: the page, its parts, its queue and its files; nothing else."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

API = "/gradio_api"
OPEN = re.compile(
    r"/|/(config|theme\.css|favicon\.ico|manifest\.json|robots\.txt|pwa_icon)/?|/(assets|static|svelte)/[\w./-]+"
    rf"|{API}/(info|openapi\.json|app_id|startup-events|theme\.css|upload|upload_progress|cancel|reset)/?"
    rf"|{API}/queue/(join|data|status)|{API}/(heartbeat|call|run)/[\w./-]+"
    rf"|{API}/file=(?!\w+:)[^\0]+"  # no addresses: the server would fetch them
)
# Nothing is loaded from elsewhere. Gradio's scripts need inline code and eval.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'"
)


class Guard:
    """ASGI middleware.

    policy: whether pages get the content security policy. A shared link loads Gradio's scripts from its servers.
    """

    def __init__(self, app: App, *, policy: bool = True) -> None:
        self.app, self.policy = app, policy

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" or (scope["type"] == "http" and not OPEN.fullmatch(scope["path"])):
            await send({"type": "http.response.start", "status": 404, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"Not found"})
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
                if self.policy:
                    told.append((b"content-security-policy", POLICY.encode()))
                message["headers"] = [*message.get("headers", []), *told]
            await send(message)

        await self.app(scope, receive, headed)
