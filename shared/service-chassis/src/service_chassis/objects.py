"""A store of objects behind one door: a folder, S3, Google's or Azure's, by one URL."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

_CHUNK: Final = 64 * 1024
"""Bytes handed on at a time: what a reader holds of an object, however large that is."""

_CONNECT: Final = timedelta(seconds=2)
_WHOLE: Final = timedelta(seconds=30)
"""Longest time for one request, its body included: a reader may be slow."""
_AGAIN: Final = timedelta(seconds=5)
"""For so long a store that fails is asked once more."""


class ObjectsError(Exception):
    """The store, not the request, is to blame: it is away, or does not let us in."""


class Found(NamedTuple):
    """An object in a list."""

    name: str
    age: timedelta


class Objects:
    """Puts, reads, lists and deletes objects by name.

    Credentials and the like come as each store's own tools take them from the environment, such as
    `AWS_ACCESS_KEY_ID`, `AWS_REGION` and `AWS_ENDPOINT_URL`.

    Parameters
    ----------
    url
        `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://account/container/prefix`; `memory:///`
        is this process's own and for tests.
    """

    def __init__(self, url: str) -> None:
        # Only who has a store of objects needs its library.
        import obstore
        from obstore.store import from_url

        self._library: Any = obstore
        if url.startswith("file:"):
            self._store = from_url(url, mkdir=True)
        elif url.startswith("memory:"):
            self._store = from_url(url)
        else:
            self._store = from_url(
                url,
                # Without TLS only where the operator's own endpoint has none, as within one machine.
                client_options={"connect_timeout": _CONNECT, "timeout": _WHOLE, "allow_http": True},
                retry_config={"max_retries": 2, "retry_timeout": _AGAIN},
            )

    async def put(self, name: str, data: bytes) -> None:
        """Store an object; nobody sees half of it.

        Raises
        ------
        ObjectsError
            It could not be stored.
        """
        with self._blamed():
            await self._library.put_async(self._store, name, data, use_multipart=False)

    async def read(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Return the bytes from `start` up to `end`, which is left out, as they come; there must be one.

        Raises
        ------
        FileNotFoundError
            There is no such object.
        ObjectsError
            It cannot be read now.
        """
        with self._blamed():
            found = await self._library.get_async(self._store, name, options={"range": (start, end)})
        return self._chunks(found)

    async def _chunks(self, found: Any) -> AsyncIterator[bytes]:
        with self._blamed():
            async for chunk in found.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)

    async def delete(self, name: str) -> None:
        """Delete an object that may be gone already.

        Raises
        ------
        ObjectsError
            It could not be deleted.
        """
        with self._blamed():
            try:
                await self._library.delete_async(self._store, name)
            except FileNotFoundError:
                return

    async def walk(self, size: int) -> AsyncIterator[list[Found]]:
        """Yield all objects in groups of at most `size`, in no order.

        Raises
        ------
        ObjectsError
            They cannot be listed now.
        """
        with self._blamed():
            async for group in self._library.list(self._store, chunk_size=size):
                now = datetime.now(UTC)
                yield [Found(meta["path"], now - meta["last_modified"]) for meta in group]

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except self._library.exceptions.BaseError as error:
            # The library's text goes on with the whole of its own state.
            told = str(error).partition("\n")[0]
            raise ObjectsError(f"{type(error).__name__}: {told[:200]}") from None
