"""Draws landscapes from a seed, with Pillow alone and the same way every time."""

from job_worker.tasks.image_search.painting.painter import Painting, paint

__all__ = ["Painting", "paint"]
