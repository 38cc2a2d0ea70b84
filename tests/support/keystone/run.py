"""Serve Keystone on loopback; runs inside Keystone's own environment: ``run.py PORT``."""

import sys

from cheroot import wsgi
from keystone.server.wsgi import initialize_public_application

PORT = int(sys.argv[1])
del sys.argv[1:]

# One thread: Keystone leaves read transactions open, which on SQLite keep others from writing.
server = wsgi.Server(("127.0.0.1", PORT), initialize_public_application(), numthreads=1)
server.start()
