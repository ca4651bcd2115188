"""Pure functions on pixels and tensors."""
