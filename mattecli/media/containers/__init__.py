"""The containers of image formats: their headers and metadata, never their pixels."""
