"""Networks, what they need, and their weights."""
