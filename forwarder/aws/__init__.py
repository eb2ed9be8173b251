"""What all calls of AWS need: credentials, signatures, connections, and what an error means and how to mend it."""
