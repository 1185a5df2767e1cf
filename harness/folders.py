"""Where things are kept: results (Runs and their cache) and the user's cache (converted weights, digests)."""

import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
SUITES = PACKAGE / "suites"


def results_folder() -> Path:
    """`HARNESS_RESULTS`, by default `./results`."""
    return Path(os.environ.get("HARNESS_RESULTS") or "results")


def cache_folder() -> Path:
    """`HARNESS_CACHE`, by default the user's cache directory on this system."""
    given = os.environ.get("HARNESS_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "alignment-harness"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home()) / "alignment-harness" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "alignment-harness"
