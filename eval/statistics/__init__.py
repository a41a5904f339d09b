"""Accuracy against statistics: correlation, controls, intervals."""
