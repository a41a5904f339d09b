"""Zero-shot classification with any open_clip model."""
