"""How networks are run: stages, batches, devices, tiles."""
