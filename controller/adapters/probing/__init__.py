"""Requests of Serinus' own through the gateway, read as a user's program reads the answer."""
