"""The jobs on many machines: the same code inside, an existing engine around it."""
