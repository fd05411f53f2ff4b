"""What `audit init` writes: settings and a contract with a comment beside each line that is to be decided."""
