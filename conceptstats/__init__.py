"""What did an image-text model see together, how often, and does that explain where it fails?"""

__version__ = "0.1.0"
