"""Weights files as bytes: containers and pickles, read without running anything in them."""
