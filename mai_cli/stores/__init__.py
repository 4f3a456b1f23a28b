"""The user's disk."""
