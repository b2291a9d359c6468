"""The peers: each module runs in an environment of its own, with the versions of the list beside it.

They are scripts, outside of what our type checkers see, and import no other peer.
"""
