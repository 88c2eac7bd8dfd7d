"""Write docs/messages.md again."""

from tests.messages.page import PAGE, render_page

PAGE.write_text(render_page())
