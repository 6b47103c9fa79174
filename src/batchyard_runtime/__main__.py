"""The door of a worker process: `python <folder>/batchyard_runtime/__main__.py …`, or `python -m batchyard_runtime …`.

    <command fd> <report fd> <stamp fd> <parent pid>             a worker, see `frames`
    --zygote <socket fd> <parent pid> <code folder> <script> <log cap> <fault> <fault log> <argument>…    see `zygote`
    --check <report fd> <parent pid> <code folder> <script>      imports the script and reports, see `check`
    --command <gate fd> <parent pid> <command>                   runs a step's command, see `command`
    --inline <listing> <parent pid> <size> <code folder> <script> <root> <row format> <pdb or ->
                                                                             scores on the terminal, see `inline`

The first act is to die with the parent; then the runtime's own folder leaves the path, and the runtime is loaded as a
package from where it lies. So a user's script can import nothing of ours by accident, and a user's module named
`frames` or `worker` is never hidden by one of ours.
"""

import os
import sys

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9
_ARGUMENTS = {"": 4, "--check": 4, "--command": 3, "--inline": 8, "--zygote": 7}
_PARENT_PID = {"": 3}


def main():  # type: () -> None
    """Start what the command line asks for."""
    mode = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1] in _ARGUMENTS else ""
    arguments = sys.argv[2:] if mode else sys.argv[1:]
    if len(arguments) < _ARGUMENTS[mode] or (mode != "--zygote" and len(arguments) > _ARGUMENTS[mode]):
        sys.exit("batchyard_runtime is started by batchyard alone: <command fd> <report fd> <stamp fd> <parent pid>")
    _die_with_parent(int(arguments[_PARENT_PID.get(mode, 1)]))
    _load_package()
    if mode == "--check":
        from batchyard_runtime.check import check

        check(int(arguments[0]), arguments[2], arguments[3])
    elif mode == "--command":
        from batchyard_runtime.command import become_shell

        become_shell(int(arguments[0]), arguments[2])
    elif mode == "--inline":
        from batchyard_runtime.inline import inline

        listing, _, size, code_dir, script, root, rows, debugger = arguments
        has_pdb = debugger == "pdb"
        sys.exit(inline(listing, int(size), code_dir, script, input_root=root, row_format=rows, has_pdb=has_pdb))
    elif mode == "--zygote":
        from batchyard_runtime.zygote import serve

        serve(arguments, _die_with_parent)
    else:
        from batchyard_runtime.worker import work

        work(int(arguments[0]), int(arguments[1]), int(arguments[2]))


def _die_with_parent(parent_pid):  # type: (int) -> None
    """Be killed when the parent ends; end now if it already has.

    Where ctypes is missing only the second half is done: the end of the command channel tells the same, later.
    """
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass
    if os.getppid() != parent_pid:
        os._exit(3)


def _load_package():  # type: () -> None
    """Make `batchyard_runtime` importable from this file's folder, and nothing else from there."""
    folder = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0]) == folder:
        del sys.path[0]
    if "batchyard_runtime" in sys.modules:
        return
    from importlib.machinery import PathFinder
    from types import ModuleType

    spec = PathFinder.find_spec("batchyard_runtime", [os.path.dirname(folder)])
    if spec is None or spec.loader is None:
        sys.exit("batchyard_runtime: the folder %r is not the runtime's package" % folder)
    package = ModuleType("batchyard_runtime")
    package.__spec__ = spec
    package.__path__ = [folder]
    sys.modules["batchyard_runtime"] = package
    spec.loader.exec_module(package)


# A script that uses multiprocessing's spawn method has this file run again under another name.
if __name__ == "__main__":
    main()
