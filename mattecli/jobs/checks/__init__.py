"""What ``mattecli doctor`` looks at, one file a subject."""
