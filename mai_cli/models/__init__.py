"""The values that flow; frozen, and checked when made."""
