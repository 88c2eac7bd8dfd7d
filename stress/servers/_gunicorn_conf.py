"""gunicorn's settings: a worker class whose loop and HTTP parser are chosen by name.

uvicorn-worker offers one class for each pair it thought of; this one takes any.
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
