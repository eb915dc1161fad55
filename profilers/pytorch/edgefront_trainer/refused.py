"""The error that ends a job which cannot be done."""


class Refused(Exception):
    """Ends a job with one of the protocol's codes."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
