"""Applications of users, in the frameworks of users: test client and real servers."""
