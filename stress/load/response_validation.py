"""Which answers are failures, and why: in words that name the error and no address."""


def describe_failure(status: int, body: bytes, response: object) -> str | None:
    """Why this answer is a failure; None for 2xx. Redirects are failures: nobody follows them."""
    if 200 <= status < 300:
        return describe_truncation(body, response)
    if status:
        return f"HTTP {status}: {body[:200].decode(errors='replace')}"
    error = getattr(response, "error", None)
    text = " ".join(str(error).split())[:120]
    return f"{type(error).__name__}: {text}"


def describe_truncation(body: bytes, response: object) -> str | None:
    """FastHttpUser takes a connection that closes in mid-body for the body's end."""
    headers = getattr(response, "headers", None) or {}
    length = headers.get("content-length")
    if length is None or headers.get("content-encoding") or int(length) == len(body):
        return None
    return f"IncompleteRead: {len(body)} of {length} bytes"
