"""Answers and errors as HTTP: the statuses of examples/server/openapi.yaml, and problems as RFC 9457 has them."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

from flashsale import Answer, Effect, Error, ErrorCode, Outcome, PauseReason

Headers = list[tuple[str, str]]


class Response(NamedTuple):
    """What goes back over the wire."""

    status: int
    body: bytes
    content_type: str
    headers: Headers


class HttpProblem(Exception):
    """A problem of the endpoint, before the library was asked."""

    def __init__(
        self, status: int, code: str, detail: str = "", field: str = "", headers: Headers | None = None
    ) -> None:
        super().__init__(detail)
        self.response = problem(status, code, headers, detail=detail, field=field)


STATUS_OF_OUTCOME = {
    Outcome.RESERVED: 201,
    Outcome.ALREADY_RESERVED: 200,
    Outcome.CONFIRMED: 200,
    Outcome.ALREADY_CONFIRMED: 200,
    Outcome.RELEASED: 200,
    Outcome.ALREADY_RELEASED: 410,
    Outcome.EXPIRED: 410,
    Outcome.PENDING: 202,
    Outcome.NOT_RESERVED: 404,
    Outcome.DEAD: 409,
    Outcome.NOT_STARTED: 409,
    Outcome.PAUSED: 503,
    Outcome.ENDED: 410,
    Outcome.LIMIT_REACHED: 409,
    Outcome.SOLD_OUT: 409,
}
#: Of a release: what was given back is what was asked for, what was paid for stays.
STATUS_OF_RELEASE = STATUS_OF_OUTCOME | {Outcome.ALREADY_RELEASED: 200, Outcome.ALREADY_CONFIRMED: 409}

STATUS_OF_ERROR = {
    ErrorCode.INVALID_ARGUMENT: 400,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.CONFLICT: 422,
    ErrorCode.BUSY: 429,
    ErrorCode.TIMED_OUT: 503,
    ErrorCode.DISCONNECTED: 503,
    ErrorCode.REFUSED: 503,
    ErrorCode.LOST: 503,
}  # the others are 500


def retry_after(retry_after_ms: int) -> Headers:
    """In whole seconds, at least one."""
    return [("Retry-After", str(max(1, math.ceil(retry_after_ms / 1000))))]


def to_json(status: int, value: object, headers: Headers | None = None) -> Response:
    return Response(status, json.dumps(value).encode(), "application/json", headers or [])


def problem(status: int, code: str, headers: Headers | None = None, **members: object) -> Response:
    """A problem; members that are empty are left out."""
    value = {"type": f"/problems/{code}", "title": code.replace("_", " "), "status": status, "code": code}
    value |= {name: member for name, member in members.items() if member not in ("", None)}
    return Response(status, json.dumps(value).encode(), "application/problem+json", headers or [])


def of_answer(answer: Answer, sale: str, request: str, statuses: dict[Outcome, int] = STATUS_OF_OUTCOME) -> Response:
    """An answer of the library: an order below 300, else a problem."""
    status = statuses[answer.outcome]
    wait = answer.retry_after_ms
    name = answer.outcome.name.lower()
    if status >= 300:
        reason = answer.reason.name.lower() if answer.reason is not PauseReason.NONE else ""
        soon = answer.outcome in (Outcome.PAUSED, Outcome.NOT_STARTED)
        headers = retry_after(wait) if soon or wait else []
        return problem(status, name, headers, reason=reason, order=answer.order, retry_after_ms=wait or None)
    order: dict[str, str | int] = {"outcome": name, "sale": sale, "request": request, "order": answer.order}
    order["level"] = answer.level.name.lower()
    times = {"hold_until_ms": answer.hold_until_ms, "retry_after_ms": wait}
    order |= {field: time for field, time in times.items() if time}
    headers = [("Location", f"/sales/{sale}/orders/{request}")] if status in (201, 202) else []
    return to_json(status, order, headers + (retry_after(wait) if status == 202 else []))


def of_error(error: Error, fields: dict[str, str] | None = None) -> Response:
    """The lack of an answer; `fields` tells what the caller calls a field of the library."""
    status = STATUS_OF_ERROR.get(error.code, 500)
    headers = retry_after(0) if status in (429, 503) else []
    effect = "unknown" if error.effect is Effect.UNKNOWN else "none"
    field = str(error).split(" ")[0] if error.code is ErrorCode.INVALID_ARGUMENT else ""
    field = (fields or {}).get(field, field)
    return problem(status, error.code.name.lower(), headers, detail=str(error), effect=effect, field=field)
