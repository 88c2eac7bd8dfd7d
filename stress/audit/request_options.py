"""The options of an audit for its requests to the service."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from scenarios.options import Setting

Drive = Literal["requests", "openapi", "locustfile", "none"]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options as typed. Its repr shows no secret."""

    requests: Annotated[
        tuple[str, ...],
        Setting(
            "Request to send, such as 'GET /items/1' or 'POST /items {\"a\": 1}', or a websocket "
            "message: 'WS /chat hello'. Repeatable. Default: the GETs of the app's OpenAPI "
            "document.",
            name="--request", metavar="'METHOD PATH [BODY]'",
        ),
    ] = field(default=(), repr=False)  # fmt: skip
    methods: Annotated[
        str,
        Setting(
            "Methods to send from the OpenAPI document, --har and --requests-file, such as "
            "GET,POST,WS.",
            metavar="NAMES",
        ),
    ] = "GET"
    headers: Annotated[
        tuple[str, ...],
        Setting(
            "Header of every request, such as 'Authorization: Bearer ...'. Repeatable. It is never "
            "recorded.",
            name="--header", metavar="'NAME: VALUE'",
        ),
    ] = field(default=(), repr=False)  # fmt: skip
    har: Annotated[
        Path | None,
        Setting(
            "HTTP archive with the requests to send, as saved by a browser's network panel. Its "
            "cookies and bodies are never recorded.",
            metavar="FILE",
        ),
    ] = None
    requests_file: Annotated[
        Path | None,
        Setting("File of requests: an editor's .http file, or vegeta targets.", metavar="FILE"),
    ] = None
    from_host: Annotated[
        str | None,
        Setting(
            "Host in --har and --requests-file whose requests are sent. Default: the host of the "
            "first request.",
            metavar="HOST",
        ),
    ] = None
    before: Annotated[
        tuple[str, ...],
        Setting(
            "Request that each user sends once before the load, such as 'POST /login "
            "@login.json'; the user keeps the cookies. Repeatable.",
            metavar="'METHOD PATH [BODY]'",
        ),
    ] = field(default=(), repr=False)
    drive: Annotated[
        Drive | None,
        Setting(
            "Source of the load: requests (--request, --har, --requests-file), openapi (these and "
            "the OpenAPI document), locustfile (yours), or none (you send the traffic until "
            "Ctrl-C). Default: requests if any are given, otherwise openapi."
        ),
    ] = None
    locustfile: Annotated[
        Path | None,
        Setting(
            "Locustfile of --drive locustfile. Default: locustfile.py in the service's folder.",
            metavar="FILE",
        ),
    ] = None
    app_dir: Annotated[
        Path,
        Setting(
            "Working folder of the service's command, and base of relative file names.",
            metavar="FOLDER",
        ),
    ] = Path()
