"""Satisfaction: how content customers are, step by step, and what follows for the relationship."""
