"""The parts outside the lesson: the other apps, and the code that all apps share."""
