"""Every sentence that the tool can say, with sample data, on one page: docs/messages.md."""
