"""The dashboard: pages that are made in the server and need no script to be read."""
