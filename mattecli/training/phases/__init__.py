"""The phases in which each system is trained, one system a file."""
