"""What mai decides; the outside world arrives as arguments."""
