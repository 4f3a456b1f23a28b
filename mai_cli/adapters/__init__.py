"""The outside world, each library behind one door."""
