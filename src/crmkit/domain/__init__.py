"""The domain: the concepts, pure."""
