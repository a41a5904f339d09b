"""Concept frequency against accuracy: trend, long tail, agreement, misalignment."""
