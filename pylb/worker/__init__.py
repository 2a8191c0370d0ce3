"""A worker process: the data plane, and the client of the control process."""
