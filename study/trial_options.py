"""The options of an audit that are about trials."""

from dataclasses import dataclass
from typing import Annotated

from records.trial import LEAST_OF_EACH
from scenarios.options import Setting


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """As typed."""

    changes: Annotated[
        tuple[str, ...],
        Setting(
            "A change to measure after the audit, without an edit: pool=100 (threads of anyio's "
            "pool), executor=64 (threads of asyncio's default executor), workers=4, loop=uvloop, "
            "offload=/ROUTE (an async endpoint in a thread), or auto (what cures the worst "
            "findings). May be given several times.",
            name="--try", metavar="CHANGE",
        ),
    ] = ()  # fmt: skip
    rounds: Annotated[
        int | None,
        Setting(
            "Of --try: how often the service is started without and with each change, in turn. "
            f"Left out: {LEAST_OF_EACH}.",
            bounds=(LEAST_OF_EACH, 30),
        ),
    ] = None  # fmt: skip
