"""The HTTP door: accepts jobs, answers queries, streams events."""
