"""A configuration's parts put together, and run.

state     directory, deployment name, database      managers  backends and their managers
api       the WSGI application                      run       a process from start to stop
"""
