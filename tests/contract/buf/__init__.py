"""The contracts themselves: their style, their format, and what they promised before."""
