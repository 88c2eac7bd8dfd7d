"""A text as a page that prints: its decision table on one sheet."""

from analysis.guide.page import create_markdown_environment


def render_print_page(markdown: str, title: str) -> str:
    """HTML from our own Markdown, which may hold anchors."""
    from markdown_it import MarkdownIt  # some tenths of a second to import

    body = MarkdownIt("commonmark").enable("table").render(markdown)
    return create_markdown_environment().get_template("printed.html").render(title=title, body=body)
