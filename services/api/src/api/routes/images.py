"""Pictures that are shown from here, and the word that one is used."""

import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from api.answers import PatientRoute, json_answer, read_json_body
from api.conditional import knows, wanted_part
from api.forms import Reader
from api.orders import Use
from api.pictures import Card, Pictures
from api.problems import NOT_FOUND, Problem, job_not_found, unavailable
from api.settings import OWNER
from api.using import Using
from job_contracts.messages import is_job_id
from service_chassis.objects import ObjectsError

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def image_routes(*, pictures: Pictures, using: Using, body_limit: int) -> APIRouter:
    """Return the paths of pictures."""
    router = APIRouter(route_class=PatientRoute, tags=["pictures"])
    uses = Reader(Use)

    async def found(digest: str) -> Card:
        card = await pictures.card(digest) if _DIGEST.fullmatch(digest) else None
        if card is None:
            raise _no_picture(digest)
        return card

    @router.get("/images/{digest}", summary="A picture by the SHA-256 of its bytes")
    async def get_image(digest: str, request: Request) -> Response:
        card = await found(digest)
        headers = _headers(card)
        if knows(request.headers.get("if-none-match"), headers["etag"]):
            return Response(None, 304, headers)
        part = None
        # A part of what has changed would be of no use; but under one hash nothing changes.
        if request.headers.get("if-range", headers["etag"]) == headers["etag"]:
            part = wanted_part(request.headers.get("range"), card.size)
        start, end = part or (0, card.size)
        if part:
            headers["content-range"] = f"bytes {start}-{end - 1}/{card.size}"
        headers["content-length"] = str(end - start)
        try:
            chunks = await pictures.read(card, start, end)
        except FileNotFoundError:
            raise _no_picture(digest) from None
        except ObjectsError:
            raise unavailable("the store of pictures does not answer") from None
        return StreamingResponse(chunks, 206 if part else 200, headers, media_type=card.content_type)

    @router.head("/images/{digest}", summary="What there is to know of a picture before its bytes")
    async def head_image(digest: str, request: Request) -> Response:
        card = await found(digest)
        headers = _headers(card)
        if knows(request.headers.get("if-none-match"), headers["etag"]):
            return Response(None, 304, headers)
        headers["content-length"] = str(card.size)
        return Response(None, 200, headers, media_type=card.content_type)

    @router.post("/images/{image_id}/used", status_code=202, summary="Say that a person has taken a picture")
    async def use_image(image_id: str, request: Request) -> Response:
        order = uses.take(await read_json_body(request.scope, request.receive, limit=body_limit))
        if not is_job_id(order.job):
            raise job_not_found(order.job)
        if not _ID.fullmatch(image_id):
            raise _no_picture(image_id)
        accepted = await using.report(image_id, job_id=order.job, owner=OWNER)
        if accepted is None:
            return Response(None, 204)
        where = {"location": f"/jobs/{accepted.job_id}"}
        return json_answer(accepted.view, 202 if accepted.is_new else 200, where)

    return router


def _headers(card: Card) -> dict[str, str]:
    # The name is the hash of the bytes: what a client has under it can never change.
    return {
        "etag": f'"{card.hash}"',
        "cache-control": "public, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
        # Should a browser be led to open one as a page, it may do nothing there.
        "content-security-policy": "default-src 'none'; sandbox",
    }


def _no_picture(name: str) -> Problem:
    return Problem(NOT_FOUND, f"no picture {name[:64]!r}")
