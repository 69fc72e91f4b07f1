"""The one exception that a user's bad input raises."""


class InputError(ValueError):
    """Bad input: the message names the file or argument, its value, and the remedy.

    The command line prints it as one line and exits with status 2; a traceback is for our own defects.
    """
