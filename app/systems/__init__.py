"""What is not the lesson: the other apps, and what all of them stand on."""
