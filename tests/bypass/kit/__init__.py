"""What `run` is made of: cases, a client, a recording backend, and the readers that judge what it received."""
