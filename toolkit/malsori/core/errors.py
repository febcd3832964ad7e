"""Errors that a user can act on: one clear line that names the file, the value and the fix."""


class MalsoriError(Exception):
    """Work failed for a reason the user can mend; the command line prints it and exits with 1."""


class UsageError(MalsoriError):
    """A command was called wrongly; the command line prints it and exits with 2."""


class ConfigError(MalsoriError):
    """A setting is unknown, of the wrong type or out of range; the message starts with its path."""
