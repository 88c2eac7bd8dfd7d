"""The options of an audit that say what it asks of a service."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from scenarios.options import Setting

Drive = Literal["requests", "openapi", "locustfile", "none"]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """As typed. Its repr shows no secret."""

    requests: Annotated[
        tuple[str, ...],
        Setting(
            "A request to send, such as 'GET /items/1' or 'POST /items {\"a\": 1}', or a message "
            "to a websocket: 'WS /chat hello'. May be given several times. Without it: the GETs of "
            "the app's OpenAPI document.",
            name="--request", metavar="'METHOD PATH [BODY]'",
        ),
    ] = field(default=(), repr=False)  # fmt: skip
    methods: Annotated[
        str,
        Setting(
            "Methods that are taken from the OpenAPI document, --har and --requests-file, such as "
            "GET,POST,WS.",
            metavar="NAMES",
        ),
    ] = "GET"
    headers: Annotated[
        tuple[str, ...],
        Setting(
            "A header of each request, such as 'Authorization: Bearer ...'. May be given several "
            "times. No record holds it.",
            name="--header", metavar="'NAME: VALUE'",
        ),
    ] = field(default=(), repr=False)  # fmt: skip
    har: Annotated[
        Path | None,
        Setting(
            "An HTTP archive whose requests are sent, as a browser's network panel saves it. No "
            "record holds its cookies and bodies.",
            metavar="FILE",
        ),
    ] = None
    requests_file: Annotated[
        Path | None,
        Setting(
            "A file of requests: .http, as editors run it, or targets of vegeta's.", metavar="FILE"
        ),
    ] = None
    from_host: Annotated[
        str | None,
        Setting(
            "Of --har and --requests-file: the host whose requests are sent. Left out: that of the "
            "first one.",
            metavar="HOST",
        ),
    ] = None
    before: Annotated[
        tuple[str, ...],
        Setting(
            "A request that each user sends once, first, such as 'POST /login @login.json'; the "
            "user keeps the cookies. May be given several times.",
            metavar="'METHOD PATH [BODY]'",
        ),
    ] = field(default=(), repr=False)
    drive: Annotated[
        Drive | None,
        Setting(
            "What is sent: requests (those of --request), openapi (with those), locustfile (your "
            "own), or none: the service waits for your own traffic until Ctrl-C. Left out: "
            "requests where there are some, otherwise openapi."
        ),
    ] = None
    locustfile: Annotated[
        Path | None,
        Setting(
            "Of --drive locustfile. Left out: locustfile.py in the service's folder.",
            metavar="FILE",
        ),
    ] = None
    app_dir: Annotated[
        Path,
        Setting(
            "The service's folder; its command starts there, and files are looked for in it.",
            metavar="FOLDER",
        ),
    ] = Path()
