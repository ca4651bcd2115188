"""Training losses, one module a system; pure functions of tensors."""
