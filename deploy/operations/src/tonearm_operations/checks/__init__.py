"""What an audit looks at: one module for each store that is walked."""
