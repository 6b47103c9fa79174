"""The command line: a file a noun. Talks to the server over HTTP only, and starts it as a process."""
