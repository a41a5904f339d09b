"""Results and predictions of other tools, as tables."""
