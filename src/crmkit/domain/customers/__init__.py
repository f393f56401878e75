"""Customers: who the company deals with, and everything known about them."""
