"""What several test folders need: polling with a deadline, and a server of one's own."""
