"""The verbs of the gateway, a file for each group of them."""
