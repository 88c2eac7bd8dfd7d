"""The other apps: databases, eight small endpoints, tasks. `app.main` is the lesson."""
