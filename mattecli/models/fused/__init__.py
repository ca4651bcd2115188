"""Networks for inference alone: what the authors' layers compute, in fewer passes."""
