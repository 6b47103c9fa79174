"""The blob gateway: the few storage operations that the SDK and the command line use, over `Datastore`."""
