"""gunicorn's settings: a worker class that takes its event loop and HTTP parser by name.

uvicorn-worker has classes for some pairs only; this one takes any pair.
"""

import os

from uvicorn_worker import UvicornWorker


class LoopUvicornWorker(UvicornWorker):  # type: ignore[misc]
    CONFIG_KWARGS = {  # noqa: RUF012 - its base class has it so
        "loop": os.environ["SERVER_LOOP"],
        "http": os.environ["SERVER_HTTP"],
    }


worker_class = LoopUvicornWorker
control_socket_disable = True
