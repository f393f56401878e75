"""Relationships: what ties customers to the company, of what type, and how far it has come."""
