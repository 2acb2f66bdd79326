"""The one exception for input that its giver can mend."""


class InputError(ValueError):
    """Bad input: a file, option or size that the user can put right.

    The message is a single line that says what was given, what is accepted, and the override that fixes it.
    The command line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
