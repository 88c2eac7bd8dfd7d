"""What the pytest plug-in uses while it watches: the timing of every event loop of the process, the
sampler of their stacks, and the texts of what they find. Imported once a test asks for it."""
