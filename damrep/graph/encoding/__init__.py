"""What an embedding is made of: propagation, structure, encoders and what trains them."""
