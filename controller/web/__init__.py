"""What people and programs see over HTTP: the API ``/api/v1``, sessions for browsers, live events.

**Invariant**: everything here is over ports, decides nothing about rollouts, and answers nobody before their
token was looked at (`gate`), but on the paths that are open: to sign in. Imported only where the API is on.
"""
