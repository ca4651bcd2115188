"""Object stores (``s3://``, ``gs://``) as places that inputs come from and outputs go to."""
