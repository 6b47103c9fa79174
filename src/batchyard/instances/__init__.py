"""Workers on real machines: a node's agent, its worker processes, checks of scripts. Alone in knowing the runtime."""
