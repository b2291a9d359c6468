"""What Flowli costs, beside the peers and the bare loops, measured in one run on one machine."""
