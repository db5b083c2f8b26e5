"""
A whole purchase service over flashsale, in ASGI and nothing else:

    FLASHSALE_REDIS=redis://127.0.0.1:6379 uvicorn --app-dir examples/python server:app

It speaks the `orders` and `service` parts of examples/server/openapi.yaml, as the endpoints in C++ and Go do. Sales are
made with the tool (`flashsale create`), and a worker (`flashsale work`) carries the orders on.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl

import flashsale
import flashsale.aio
from problems import STATUS_OF_RELEASE, HttpProblem, Response, of_answer, of_error, problem, to_json

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_BYTES_MAX = 4096
CONFIRM_S = 2.0  # it is answered once the database has it, which takes longer than a reservation
SHOW_FOR_S = 1.0
LOOKS_MAX = 1024

# Making them does no I/O and no thread, so that gunicorn may --preload this module.
pool = flashsale.aio.Pool(os.environ.get("FLASHSALE_REDIS", "redis://127.0.0.1:6379"))
gate = flashsale.aio.StockGate(pool)
controller = flashsale.aio.SaleController(pool)


class Request:
    """One HTTP request, bounded."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.method: str = scope["method"]
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self._query: bytes = scope["query_string"]
        self._receive = receive

    def query(self, *known: str) -> dict[str, str]:
        given = parse_qsl(self._query.decode("latin-1"), keep_blank_values=True)
        names = [name for name, _ in given]
        for name in names:
            if name not in known:
                raise HttpProblem(400, "invalid_argument", f"{name[:64]!r} is no parameter of this path", "query")
            if names.count(name) > 1:
                raise HttpProblem(400, "invalid_argument", f"{name} is given twice", name)
        return dict(given)

    async def body(self) -> bytes:
        whole, more = b"", True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise HttpProblem(400, "invalid_argument", "the client left", "body")
            whole += message.get("body", b"")
            more = message.get("more_body", False)
            if len(whole) > BODY_BYTES_MAX:
                raise HttpProblem(413, "too_large", f"body must have at most {BODY_BYTES_MAX} bytes", "body")
        return whole


def need(values: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    """A member of a body or a query, of its type. `True` is no integer here."""
    value = values.get(name, default)
    if type(value) is not kind:
        noun = "an integer" if kind is int else "a string"
        raise HttpProblem(400, "invalid_argument", f"{name} must be {noun}", name)
    return value


def each_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object with no member twice: two readers of one body must not see two purchases."""
    if len(members) != len(dict(members)):
        raise ValueError("a member stands there twice")
    return dict(members)


async def read_purchase(request: Request) -> dict[str, Any]:
    content_type = request.headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if content_type != b"application/json":
        raise HttpProblem(415, "unsupported_media_type", "the body must be application/json", "Content-Type")
    try:
        values = json.loads(await request.body(), object_pairs_hook=each_once)
    except (ValueError, RecursionError):
        raise HttpProblem(400, "invalid_argument", "body must be JSON", "body") from None
    if not isinstance(values, dict):
        raise HttpProblem(400, "invalid_argument", "body must be an object", "body")
    for name in values:
        if name not in ("item", "buyer", "quantity"):
            raise HttpProblem(400, "invalid_argument", f"{name[:64]!r} is not a member of a purchase", "body")
    return values


async def reserve(request: Request, sale: str) -> Response:
    request.query()
    key = request.headers.get(b"idempotency-key", b"").decode("latin-1")
    if not key:
        raise HttpProblem(400, "invalid_argument", "Idempotency-Key is missing", "Idempotency-Key")
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    values = await read_purchase(request)
    item, buyer = need(values, "item", str), need(values, "buyer", str)
    quantity = need(values, "quantity", int, 1)
    try:
        return of_answer(await gate.reserve(sale, item, buyer=buyer, request=key, quantity=quantity), sale, key)
    except flashsale.InvalidArgument as error:
        return of_error(error, {"request": "Idempotency-Key"})


async def look(request: Request, sale: str, key: str) -> Response:
    return of_answer(await gate.status(sale, buyer=await buyer_of(request), request=key), sale, key)


async def release(request: Request, sale: str, key: str) -> Response:
    answer = await gate.release(sale, buyer=await buyer_of(request), request=key)
    return of_answer(answer, sale, key, STATUS_OF_RELEASE)


async def confirm(request: Request, sale: str, key: str) -> Response:
    answer = await gate.confirm(sale, buyer=await buyer_of(request), request=key, timeout=CONFIRM_S)
    return of_answer(answer, sale, key)


async def buyer_of(request: Request) -> str:
    """Of a request that says all in its path and query."""
    buyer: str = need(request.query("buyer"), "buyer", str)
    if await request.body():
        raise HttpProblem(400, "invalid_argument", "this method takes no body", "body")
    return buyer


class OnceASecond:
    """Looks that everybody shares for a second: however many ask, Redis is asked once."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[float, asyncio.Task[Response]]] = {}

    async def get(self, key: str, look: Callable[[str], Coroutine[Any, Any, Response]]) -> Response:
        now = time.monotonic()
        known = self._looks.get(key)
        if known is None or now - known[0] >= SHOW_FOR_S:
            if len(self._looks) >= LOOKS_MAX:
                self._looks.clear()
            known = self._looks[key] = (now, asyncio.get_running_loop().create_task(look(key)))
        return await asyncio.shield(known[1])  # who leaves does not take the others' look away


looks = OnceASecond()


async def show(request: Request, sale: str) -> Response:
    request.query()
    return await looks.get(sale, look_at_sale)


async def look_at_sale(sale: str) -> Response:
    status = await controller.status(sale)
    items = [await describe(sale, item) for item in status.items]
    value = {"sale": sale, "phase": status.phase, "server_time_ms": status.now_ms, "opens_ms": status.opens_ms}
    value |= {"closes_ms": status.closes_ms, "hold_ms": status.hold_ms, "items": items}
    return to_json(200, value, [("Cache-Control", "public, max-age=1, stale-while-revalidate=5")])


async def describe(sale: str, item: flashsale.ItemStatus) -> dict[str, Any]:
    left = item.total - item.booked
    stock = "none" if left <= 0 else "few" if left * 10 <= item.total else "many"
    value: dict[str, Any] = {"item": item.item, "stock": stock, "limit": item.limit}
    try:
        info = (await controller.info(sale, item.item)).decode(errors="replace")
    except flashsale.NotFound:
        return value
    try:
        return value | {"info": json.loads(info)}
    except ValueError:
        return value | {"info": info}


async def health(request: Request) -> Response:
    return await looks.get("", look_at_redis)  # no sale has an empty id


async def look_at_redis(_: str) -> Response:
    try:
        await gate.resolve("health", buyer="health", request="health")
    except flashsale.NotFound:  # Redis answers: there is no such sale
        pass
    return to_json(200, {"status": "ok"})


async def metrics(request: Request) -> Response:
    return Response(200, flashsale.metrics_text().encode(), "text/plain; version=0.0.4", [])


SEGMENT = "([^/]+)"
ROUTES: list[tuple[re.Pattern[str], dict[str, Callable[..., Awaitable[Response]]]]] = [
    (re.compile(f"/sales/{SEGMENT}/orders"), {"POST": reserve}),
    (re.compile(f"/sales/{SEGMENT}/orders/{SEGMENT}"), {"GET": look, "DELETE": release}),
    (re.compile(f"/sales/{SEGMENT}/orders/{SEGMENT}/confirm"), {"POST": confirm}),
    (re.compile(f"/sales/{SEGMENT}"), {"GET": show}),
    (re.compile("/health"), {"GET": health}),
    (re.compile("/metrics"), {"GET": metrics}),
]


async def respond(scope: Scope, receive: Receive) -> Response:
    try:
        for pattern, methods in ROUTES:
            found = pattern.fullmatch(scope["path"])
            if found is None:
                continue
            handler = methods.get("GET" if scope["method"] == "HEAD" else scope["method"])
            if handler is None:
                allow = [("Allow", ", ".join(methods))]
                raise HttpProblem(405, "method_not_allowed", headers=allow)
            return await handler(Request(scope, receive), *found.groups())
        raise HttpProblem(404, "no_such_path")
    except HttpProblem as refusal:
        return refusal.response
    except flashsale.Error as error:
        return of_error(error)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        return await live(receive, send)
    if scope["type"] != "http":
        return
    response = await respond(scope, receive)
    headers = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
    headers += [("Server-Time", f"{time.time():.3f}"), ("X-Content-Type-Options", "nosniff"), *response.headers]
    if "Cache-Control" not in dict(headers):
        headers.append(("Cache-Control", "no-store"))
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": response.status, "headers": raw})
    await send({"type": "http.response.body", "body": response.body})


async def live(receive: Receive, send: Send) -> None:
    """Starts with nothing to do; at the end the calls under way are answered first."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            flashsale.enable_logging()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await gate.close()
            flashsale.disable_logging()
            await send({"type": "lifespan.shutdown.complete"})
            return
