"""The one class of errors that a user can cause, or cure."""


class UserError(Exception):
    """One line that names what was wrong and what to do. Shown without a traceback.

    exit_code: 2 for wrong use, 3 when this machine can't run what was asked.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def build_cannot_run_error(message: str) -> UserError:
    return UserError(message, exit_code=3)
