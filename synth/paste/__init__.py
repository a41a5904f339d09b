"""Accessories pasted into photographs: versions of one photograph that differ in PMI alone."""
