"""Losses, data, recipes and the trainer."""
