"""Decides whether an aligned checkpoint may replace the one before it."""

__version__ = "0.1.0"
