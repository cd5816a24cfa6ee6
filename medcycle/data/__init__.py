"""From files to what a network is fed."""
