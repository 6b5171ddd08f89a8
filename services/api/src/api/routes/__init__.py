"""The HTTP contract, path by path: translations, no decisions."""
