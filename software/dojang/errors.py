"""The base of every error a user can cause: the command line prints it as one sentence and exits with 2."""


class DojangError(Exception):
    """An expected failure; ``str(error)`` is one clear sentence that names the cause."""
