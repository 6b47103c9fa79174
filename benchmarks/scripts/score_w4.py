"""W4: a no-op; every mini-batch returns one row."""


def init():
    pass


def run(mini_batch):
    return ["0"]
