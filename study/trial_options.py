"""The options of an audit for trials."""

from dataclasses import dataclass
from typing import Annotated

from records.trial import LEAST_OF_EACH
from scenarios.options import Setting


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """The options as typed."""

    changes: Annotated[
        tuple[str, ...],
        Setting(
            "Change to measure after the audit, without an edit: pool=100 (threads of anyio's "
            "pool), executor=64 (threads of asyncio's default executor), workers=4, loop=uvloop, "
            "offload=/ROUTE (an async endpoint in a thread), or auto (the fixes of the worst "
            "findings). Repeatable.",
            name="--try", metavar="CHANGE",
        ),
    ] = ()  # fmt: skip
    rounds: Annotated[
        int | None,
        Setting(
            "Rounds without and with each --try change, in turn, each with a new start of the "
            f"service; {LEAST_OF_EACH} if not given.",
            bounds=(LEAST_OF_EACH, 30),
        ),
    ] = None  # fmt: skip
