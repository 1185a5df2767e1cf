"""What can be wrong with what a judge is given."""


class JudgeDataError(ValueError):
    """A file, row or template for a judge is wrong; one line says where, what was expected, what came."""
