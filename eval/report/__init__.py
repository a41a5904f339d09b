"""Figures, and one page that holds all that was found."""
