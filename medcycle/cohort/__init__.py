"""What folders of scans hold: found, vetted, split, registered, and prepared."""
