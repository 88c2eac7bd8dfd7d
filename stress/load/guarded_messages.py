"""What the load's master takes from its port: messages of load processes. Whatever else arrives
there is logged and changes nothing. Only Locust's own processes load this file."""

import logging
from collections.abc import Callable

from locust.exception import RPCError, RPCReceiveError, RPCSendError
from locust.rpc import Message
from locust.runners import MasterRunner

from stress.load.protocol import HELLO

READY = "client_ready"
logger = logging.getLogger(__name__)


def guard_messages(runner: MasterRunner) -> None:
    """Replace how the runner receives messages."""
    receive: Callable[[], tuple[str, Message]] = runner.server.recv_from_client

    def receive_known() -> tuple[str, Message]:
        try:
            client_id, message = receive()
        except (RPCError, RPCReceiveError, RPCSendError):
            raise
        except Exception as error:  # unpacking bytes of others may raise anything
            raise RPCReceiveError("not a message of Locust's") from error
        if not is_expected(message, client_id, client_id in runner.clients):
            raise RPCReceiveError("not a message of a load process")
        return client_id, message

    def handle_known(client_id: str, message: Message) -> None:
        try:
            handle(client_id, message)
        except Exception:  # a stranger may say first that it is ready
            logger.exception("not a message of a load process")

    handle: Callable[[str, Message], None] = runner.handle_message
    vars(runner.server)["recv_from_client"] = receive_known
    vars(runner)["handle_message"] = handle_known


def is_expected(message: Message, client_id: str, is_known: bool) -> bool:
    """A load process says that it is ready, and its versions, before the master knows it."""
    data = message.data
    if message.node_id != client_id or not isinstance(message.type, str):
        return False
    if message.type == READY:
        return data == -1 or (isinstance(data, str) and bool(data))
    if message.type == HELLO:
        return isinstance(data, dict) and all(isinstance(each, str) for each in data.values())
    return is_known
