"""What hatchling runs before it packs."""

import sys

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EDITABLE = (
    "asyncio-vs-threads: no editable install: the folders of the clone would be importable as "
    "`app` or `analysis` everywhere. A clone runs as it is: sh setup.sh makes .venv/bin/study"
)


class RefuseEditable(BuildHookInterface):
    def initialize(self, version: str, _build_data: dict[str, object]) -> None:
        if version == "editable":
            sys.exit(EDITABLE)
