"""The library API: an options record in, a report out."""
