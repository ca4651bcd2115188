"""Image and video matting in bulk: trimaps, alpha mattes, foregrounds and composites."""

__version__ = "0.1.0"
