"""A stand-in for Openverse, written after https://api.openverse.org/v1/: its search, and its thumbnails."""

import json
from typing import Any
from uuid import UUID

from tests.support.stand_in import Reply, Request, StandIn, photograph


class Openverse(StandIn):
    """The server.

    Parameters
    ----------
    found
        How many pictures fit any search.
    """

    def __init__(self, *, found: int = 100) -> None:
        super().__init__(self._answer)
        self.found = found
        self.changes: dict[str, Any] = {}
        """What is told of the first picture instead of the truth."""

    def image(self, number: int) -> dict[str, Any]:
        """Return one picture as Openverse tells of it, including much that nobody uses."""
        identifier = str(UUID(int=0x5B1C0000 << 96 | number))
        is_free = number % 2 == 1
        return {
            "id": identifier,
            "indexed_on": "2024-03-03T08:01:44.227518Z",
            "title": f"View number {number}",
            "foreign_landing_url": f"https://www.flickr.com/photos/someone/{number}",
            "url": f"https://live.staticflickr.com/65535/{number}_b.jpg",
            "creator": f"Maker {number}",
            "creator_url": "http://www.flickr.com/photos/someone",
            "license": "cc0" if is_free else "by",
            "license_version": "1.0" if is_free else "2.0",
            "license_url": f"https://creativecommons.org/{'publicdomain/zero/1.0' if is_free else 'licenses/by/2.0'}/",
            "provider": "flickr",
            "source": "flickr",
            "category": None,
            "filesize": None,
            "filetype": "jpg",
            "tags": [{"name": "mountain", "accuracy": None, "unstable__provider": "flickr"}],
            "attribution": f'"View number {number}" by Maker {number} is licensed under CC BY 2.0.',
            "fields_matched": ["title"],
            "mature": False,
            "height": 1200,
            "width": 1600,
            "thumbnail": f"{self.base_url}/v1/images/{identifier}/thumb/",
            "detail_url": f"{self.base_url}/v1/images/{identifier}/",
            "related_url": f"{self.base_url}/v1/images/{identifier}/related/",
            "unstable__sensitivity": [],
        }

    def results(self, count: int) -> dict[str, Any]:
        """Return the whole answer to a search."""
        images = [self.image(number) for number in range(min(count, self.found))]
        if images:
            images[0] |= self.changes
        return {
            "result_count": self.found,
            "page_count": 12,
            "page_size": count,
            "page": 1,
            "results": images,
            "warnings": [],
        }

    @property
    def fetched(self) -> list[str]:
        """Paths of the pictures whose bytes were asked for."""
        return [request.path for request in self.requests if request.path.endswith("/thumb/")]

    def _answer(self, request: Request) -> Reply:
        if request.path.endswith("/thumb/"):
            number = UUID(request.path.split("/")[3]).int & 0xFFFF
            return Reply(photograph(number), content_type="image/jpeg")
        if request.path != "/v1/images/":
            return Reply(b'{"detail":"Not found."}', status=404)
        count = int(request.query.get("page_size", "20"))
        if count > 20:
            return Reply(b'{"detail":"page_size may not exceed 20 for anonymous requests."}', status=401)
        return Reply(json.dumps(self.results(count)).encode())
