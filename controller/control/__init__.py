"""The way people and programs talk to the daemon: use cases, and a Unix socket to reach them.

`service` holds the use cases and knows no transport; `views` and `explanations` turn records into what people
see; `server` and `client` are the two ends of the socket, `protocol` what passes between them. Imported by
the command line, the settings and the app; it imports neither of them, nor any adapter.
"""
