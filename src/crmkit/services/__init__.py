"""The services: what a host calls."""
