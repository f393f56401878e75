"""Interactions: contacts, attempts, findings and notes, and what follows from their number."""
