"""chainrule: derivatives of NumPy code, and training by gradient descent, with the chain rule in sight."""
