"""Encoders and blocks that several networks share."""
