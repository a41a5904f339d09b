"""Controlled concept-pair images, and worlds whose answer is known."""
