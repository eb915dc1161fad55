"""How a job ends that cannot be done."""


class Refused(Exception):
    """A job's end with one of the protocol's codes."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
