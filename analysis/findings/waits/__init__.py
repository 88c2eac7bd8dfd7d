"""Who waits for a thread, and which code keeps the threads."""
