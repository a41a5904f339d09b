"""Accuracy against statistics: predictions, correlation, figures. Nothing yet."""
