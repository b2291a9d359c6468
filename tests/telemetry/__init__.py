"""What telemetry sees, and what it never does."""
