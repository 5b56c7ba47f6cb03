"""Several server processes on one port: the parent accepts clients and passes each to a child.

The parent gives a client to the child with the fewest connections. Connections are long-lived and few, so the
kernel's distribution is not enough: with SO_REUSEPORT, and with a shared listening socket, one child was
measured to get all 32 of 32 connections.
"""
