"""Flowli and the bare loops as contestants: each module enqueues, and defines the jobs that its worker executes."""
