"""A discrete-event simulation of balancers, workers and instances. The policies in it are the real ones."""
