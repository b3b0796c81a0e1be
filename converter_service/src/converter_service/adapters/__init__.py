"""The outside things a converter uses, one file each."""
