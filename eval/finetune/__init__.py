"""Training of open_clip models."""
