"""Reports as tables, sentences and pages: values in, text out; altair draws the pictures."""
