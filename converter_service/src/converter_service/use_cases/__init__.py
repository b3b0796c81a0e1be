"""The verbs of a converter: take an order, convert it, call it off."""
