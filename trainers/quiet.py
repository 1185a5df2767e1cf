"""Silence for what transformers and peft say along the way; progress and logs are ours, errors still come through."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Inside, transformers and peft show neither progress bars nor advice."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft calls what transformers has deprecated
            warnings.filterwarnings("ignore", "fan_in_fan_out")
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # refused by name where adapters are loaded
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
