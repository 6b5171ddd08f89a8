"""Stores results and makes the move to succeeded."""
