"""A stand-in for Pixabay, written after https://pixabay.com/api/docs/: its search, and its pictures."""

import json
from typing import Any

from tests.support.stand_in import Reply, Request, StandIn, photograph

KEY = "12345678-canary0f5e9b"
"""The key it knows."""

_QUOTA = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "99", "X-RateLimit-Reset": "60"}


class Pixabay(StandIn):
    """The server.

    Parameters
    ----------
    found
        How many photographs fit any search.
    """

    def __init__(self, *, found: int = 500) -> None:
        super().__init__(self._answer)
        self.found = found
        self.changes: dict[str, Any] = {}
        """What is told of the first photograph instead of the truth."""

    def hit(self, number: int) -> dict[str, Any]:
        """Return one photograph as Pixabay tells of it; every fourth is a square."""
        return {
            "id": 195_893 + number,
            "pageURL": f"https://pixabay.com/photos/blossom-bloom-{195_893 + number}/",
            "type": "photo",
            "tags": "blossom, bloom, flower",
            "previewURL": f"https://cdn.pixabay.com/photo/2013/10/15/blossom-{number}_150.jpg",
            "previewWidth": 150,
            "previewHeight": 84,
            "webformatURL": f"{self.base_url}/get/{number}_640.jpg",
            "webformatWidth": 640,
            "webformatHeight": 360,
            "largeImageURL": f"{self.base_url}/get/{number}_1280.jpg",
            "imageWidth": 4000,
            "imageHeight": 4000 if number % 4 == 0 else 2250,
            "imageSize": 4_731_420,
            "views": 7_671,
            "downloads": 6_439,
            "likes": 5,
            "comments": 2,
            "user_id": 48_777,
            "user": "Josch 13/ü",
            "userImageURL": "https://cdn.pixabay.com/user/2013/11/05/02-10-23-764_250x250.jpg",
        }

    @property
    def fetched(self) -> list[str]:
        """Paths of the photographs whose bytes were asked for."""
        return [request.path for request in self.asked("/get/")]

    def _answer(self, request: Request) -> Reply:
        if request.path.startswith("/get/"):
            number = int(request.path.removeprefix("/get/").partition("_")[0])
            return Reply(photograph(number, (1280, 720)), content_type="image/jpeg")
        if request.path != "/api/":
            return Reply(b"[ERROR 404]", status=404, content_type="text/plain")
        if request.query.get("key") != KEY:
            return Reply(
                b"[ERROR 400] Invalid or missing API key (https://pixabay.com/api/docs/).", status=400
            )
        count = int(request.query.get("per_page", "20"))
        if not 3 <= count <= 200:
            return Reply(b'[ERROR 400] "per_page" is out of valid range.', status=400)
        hits = [self.hit(number) for number in range(min(count, self.found))]
        if hits:
            hits[0] |= self.changes
        body = {"total": 4_692, "totalHits": self.found, "hits": hits}
        return Reply(json.dumps(body).encode(), headers=_QUOTA)
