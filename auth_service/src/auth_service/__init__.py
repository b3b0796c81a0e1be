"""Accounts, sessions and the keys that prove them."""
