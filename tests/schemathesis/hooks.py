"""What no schema can say of good requests."""
