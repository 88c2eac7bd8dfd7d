"""The options of an audit for the requests that it sends."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from scenarios.options import Setting

Drive = Literal["requests", "openapi", "locustfile", "none"]


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The options as typed. The repr shows no secret."""

    requests: Annotated[
        tuple[str, ...],
        Setting(
            "Request to send, such as 'GET /items/1' or 'POST /items {\"a\": 1}', or a websocket "
            "message: 'WS /chat hello'. Repeatable. The GETs of the app's OpenAPI document if not "
            "given.",
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
            "Header of each request, such as 'Authorization: Bearer ...'. Repeatable. It is not "
            "recorded.",
            name="--header", metavar="'NAME: VALUE'",
        ),
    ] = field(default=(), repr=False)  # fmt: skip
    har: Annotated[
        Path | None,
        Setting(
            "HTTP archive with the requests, as a browser's network panel saves it. Its "
            "cookies and bodies are not recorded.",
            metavar="FILE",
        ),
    ] = None
    requests_file: Annotated[
        Path | None,
        Setting(
            "File with the requests: .http, as editors use it, or vegeta targets.", metavar="FILE"
        ),
    ] = None
    from_host: Annotated[
        str | None,
        Setting(
            "Host whose requests from --har and --requests-file are sent; the host of the first "
            "request if not given.",
            metavar="HOST",
        ),
    ] = None
    before: Annotated[
        tuple[str, ...],
        Setting(
            "Request that each user sends once at the start, such as 'POST /login @login.json'; "
            "the user keeps the cookies. Repeatable.",
            metavar="'METHOD PATH [BODY]'",
        ),
    ] = field(default=(), repr=False)
    drive: Annotated[
        Drive | None,
        Setting(
            "Source of the load: requests (those given), openapi (the OpenAPI document's too), "
            "locustfile (yours), or none (your own traffic, until Ctrl-C). If not given: requests "
            "if there are any, otherwise openapi."
        ),
    ] = None
    locustfile: Annotated[
        Path | None,
        Setting(
            "File for --drive locustfile; locustfile.py in the service's folder if not given.",
            metavar="FILE",
        ),
    ] = None
    app_dir: Annotated[
        Path,
        Setting(
            "Folder of the service, where its command starts; file names are relative to it.",
            metavar="DIRECTORY",
        ),
    ] = Path()
