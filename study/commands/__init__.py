"""The commands of `study`, by what they are about. Each only turns options into values."""
