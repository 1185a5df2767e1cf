"""What can go wrong in training.

ValueError
├── DataError         a row of data is wrong; the message starts with file:line
└── SettingsError     a setting is wrong
RuntimeError
└── TrainingError     the training cannot be done, or broke off
"""


class DataError(ValueError):
    """A row of data is wrong; the message starts with `file:line` (line 1 where it is the whole file)."""


class SettingsError(ValueError):
    """A training setting is wrong; the message names it."""


class TrainingError(RuntimeError):
    """The training cannot be done with this model, or broke off."""
