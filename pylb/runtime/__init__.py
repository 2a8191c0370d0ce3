"""What every process needs: task scopes, logging, sockets, descriptors, memory allocation."""
