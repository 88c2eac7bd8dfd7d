"""The commands of `study`, by topic. Each only turns options into values."""
