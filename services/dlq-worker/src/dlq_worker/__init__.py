"""Keeps dead letters byte for byte and makes the move to failed."""
